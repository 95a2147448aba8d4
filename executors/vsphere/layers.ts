import { createHash } from 'node:crypto';
import { missingLayer } from '../../portlayer/environments/layers/layer-places.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { DiskLayers } from '../../portlayer/plugin/executor.js';
import type { TreeFacts } from '../../portlayer/plugin/host.js';
import type { Containers } from './containers.js';
import { extraConfig, type Machine, type Machines } from './machines.js';
import { GUEST_KEYS, KEYS, layerName, machineName, TEMPLATE_BASE } from './names.js';
import { isUncertain } from './vim/fault.js';
import { readObjects } from './vim/properties.js';
import { list, type Ref, ref } from './vim/wire.js';

/**
 * Frozen layers of virtual machines: each is a machine of its own that never runs, with one snapshot that linked clones
 * stand on. Freezing takes a snapshot of the container's machine and renames it: no block is copied. A layer on which
 * another disk still stands is only marked as doomed, and goes with the last of them.
 */
export function createLayers(containers: Containers): DiskLayers {
  const { machines } = containers;
  const limit = (signal?: AbortSignal) => signal ?? AbortSignal.timeout(machines.config.taskMs);

  return {
    async freeze(uid, layer) {
      const [signal, name] = [limit(), layerName(layer)];
      if (await machines.find(name, KEYS.layer, layer, signal)) return;
      const machine = await containers.find(uid, signal);
      if (!machine) throw noDisk(uid);
      await takeSnapshot(machines, machine.ref, layer, signal);
      containers.forget(uid);
      await machines.reconfigure(machine.ref, () => ({ name, ...asLayer(layer) }), signal);
    },
    async discard(uid) {
      const signal = limit();
      machineName(uid);
      const machine = await containers.find(uid, signal);
      if (machine)
        await machines.reconfigure(machine.ref, () => extraConfig({ [KEYS.discarded]: '1' }), signal);
    },
    describe: async (layer, signal) => {
      const machine = await needLayer(machines, layer, limit(signal));
      return describeDisks(machines, machine.ref, limit(signal));
    },
    async sync(layer, signal) {
      await needLayer(machines, layer, limit(signal)); // A datastore keeps what it was told.
    },
    async fold(layers, into, signal) {
      const bound = limit(signal);
      const name = layerName(into);
      if (await machines.find(name, KEYS.layer, into, bound)) return;
      const newest = layers.at(-1);
      if (newest === undefined) throw missingLayer(into);
      for (const layer of layers) await needLayer(machines, layer, bound);
      await foldLayer(machines, newest, into, bound);
    },
    async remove(layer) {
      const signal = limit();
      const machine = await machines.find(layerName(layer), KEYS.layer, layer, signal);
      if (!machine) return;
      await machines.reconfigure(machine.ref, () => extraConfig({ [KEYS.doomed]: '1' }), signal);
      await removeDoomed(machines, signal);
    },
    async list() {
      const all = await machines.all(limit());
      const layers = all.filter(({ extra }) => extra[KEYS.layer] && !extra[KEYS.doomed]);
      return layers.map(({ extra }) => extra[KEYS.layer] ?? '').sort();
    },
  };
}

/** Removes, again and again, the doomed layers that no other machine's disk stands on. */
export async function removeDoomed(machines: Machines, signal: AbortSignal): Promise<void> {
  for (;;) {
    const all = await machines.all(signal);
    const bases = new Set(all.map(machine => machine.extra[KEYS.base]));
    const free = all.filter(({ extra }) => extra[KEYS.doomed] && !bases.has(extra[KEYS.layer] ?? ''));
    if (free.length === 0) return;
    for (const machine of free) await machines.destroy(machine, signal);
  }
}

/** The machine of a frozen layer. Throws NOT_FOUND. */
export async function needLayer(machines: Machines, layer: string, signal: AbortSignal): Promise<Machine> {
  const machine = await machines.find(layerName(layer), KEYS.layer, layer, signal);
  if (machine && !machine.extra[KEYS.doomed]) return machine;
  throw missingLayer(layer);
}

/** The snapshot of that name. Throws NOT_FOUND. */
export async function snapshotOf(
  machines: Machines,
  machine: Ref,
  name: string,
  signal: AbortSignal,
): Promise<Ref> {
  const found = await findSnapshot(machines, machine, name, signal);
  if (found) return found;
  throw missingLayer(name);
}

/** The snapshot of that name, wherever it is in the machine's tree. */
export async function findSnapshot(
  machines: Machines,
  machine: Ref,
  name: string,
  signal: AbortSignal,
): Promise<Ref | undefined> {
  const [found] = await readObjects(machines.vcenter.vim, [machine], ['snapshot'], { signal });
  const tree = found?.values.snapshot as { rootSnapshotList?: unknown } | undefined;
  const queue = [...list(tree?.rootSnapshotList)] as {
    name: string;
    snapshot: Ref;
    childSnapshotList?: unknown;
  }[];
  for (let node = queue.shift(); node; node = queue.shift()) {
    if (node.name === name) return node.snapshot;
    queue.push(...(list(node.childSnapshotList) as typeof queue));
  }
  return undefined;
}

async function takeSnapshot(
  machines: Machines,
  machine: Ref,
  layer: string,
  signal: AbortSignal,
): Promise<void> {
  if (await findSnapshot(machines, machine, layer, signal)) return;
  const args = { name: layer, description: 'a frozen layer of portlayer', memory: false, quiesce: false };
  try {
    await machines.task('CreateSnapshot_Task', machine, args, signal);
  } catch (caught) {
    if (!isUncertain(caught) || !(await findSnapshot(machines, machine, layer, signal))) throw caught;
  }
}

/** What makes a machine a frozen layer, and nothing else any more. */
function asLayer(layer: string) {
  const gone = [KEYS.uid, KEYS.exit, KEYS.discarded, KEYS.image, ...Object.values(GUEST_KEYS)];
  return extraConfig({ ...Object.fromEntries(gone.map(key => [key, ''])), [KEYS.layer]: layer });
}

/** A full clone: its disk stands on nothing. It counts as the layer only once it has its snapshot. */
async function foldLayer(
  machines: Machines,
  newest: string,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  const place = await machines.place(signal);
  const source = await needLayer(machines, newest, signal);
  const snapshot = await snapshotOf(machines, source.ref, newest, signal);
  const name = layerName(into);
  const half = await machines.find(name, KEYS.layer, '', signal);
  if (half) await machines.destroy(half, signal);
  const spec = {
    location: { diskMoveType: 'moveAllDiskBackingsAndConsolidate', pool: ref(place.pool) },
    template: false,
    config: extraConfig({ [KEYS.layer]: '', [KEYS.base]: TEMPLATE_BASE, [KEYS.doomed]: '' }),
    powerOn: false,
    snapshot: ref(snapshot),
  };
  const made = (await machines.task(
    'CloneVM_Task',
    source.ref,
    { folder: ref(place.folder), name, spec },
    signal,
  )) as Ref;
  await takeSnapshot(machines, made, into, signal);
  await machines.reconfigure(made, () => asLayer(into), signal);
}

/**
 * Size of a machine's own files, and a digest of the content ids of its disks. A content id is vSphere's word for what
 * is on a disk: the same id, the same blocks.
 */
async function describeDisks(machines: Machines, machine: Ref, signal: AbortSignal): Promise<TreeFacts> {
  const paths = ['config.hardware.device', 'layoutEx'];
  const [found] = await readObjects(machines.vcenter.vim, [machine], paths, { signal });
  const devices = list(found?.values['config.hardware.device']) as readonly {
    $type?: string;
    backing?: { contentId?: string };
  }[];
  const disks = devices.filter(device => device.$type === 'VirtualDisk');
  const files = list((found?.values.layoutEx as { file?: unknown } | undefined)?.file) as readonly {
    uniqueSize?: unknown;
    size?: unknown;
  }[];
  const digest = createHash('sha256').update(
    disks.map(disk => disk.backing?.contentId ?? machine.value).join(' '),
  );
  return {
    digest: `sha256:${digest.digest('hex')}`,
    bytes: files.reduce((sum, file) => sum + Number(file.uniqueSize ?? file.size ?? 0), 0),
    entries: Math.max(1, disks.length),
  };
}

function noDisk(uid: string): PortLayerError {
  return new PortLayerError('NOT_FOUND', `The container ${uid} has no writable layer.`, {
    remedy: 'Start the container first.',
    facts: { uid },
  });
}
