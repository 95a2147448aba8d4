import { missingLayer } from '../../../portlayer/environments/layers/layer-places.js';
import { packDirectory, unpackDirectory } from '../../../portlayer/environments/layers/pack-directory.js';
import { findMonitor } from '../../../portlayer/environments/monitor/monitor-process.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { DiskLayers } from '../../../portlayer/plugin/executor.js';
import type { Containers } from '../containers.js';
import { LAYER_DISK } from '../layout.js';
import type { Place } from '../place.js';
import { withQmp } from '../qmp/qmp-client.js';
import { forgetDump, noteDump } from '../vmfork/undo-dump.js';
import { adoptLayer, diskFile, readDisk } from './machine-disk.js';
import { qemuImg } from './qemu-img.js';
import { prepareSplit } from './split-disk.js';

/**
 * Frozen layers of machines: each is a directory with one qcow2 overlay that names the one below it. A layer on which a
 * machine's disk still stands is neither listed nor removed, whatever became of its checkpoint.
 */
export function createDiskLayers(place: Place, containers: Containers): DiskLayers {
  const { host, layout } = place;
  const { files } = host;

  async function need(layer: string): Promise<string> {
    const path = layout.layer(layer);
    if (await files.exists(path)) return path;
    throw missingLayer(layer);
  }

  /** The layers under the disks of all machines. */
  async function held(): Promise<ReadonlySet<string>> {
    const machines = await containers.list();
    const disks = await Promise.all(
      machines.map(uid => readDisk(place, layout.container(uid)).catch(() => undefined)),
    );
    return new Set(disks.flatMap(disk => disk?.layers ?? []));
  }

  async function freezeRunning(uid: string, layer: string): Promise<void> {
    const paths = containers.paths(uid);
    const disk = await readDisk(place, paths);
    if (!disk) throw noDisk(uid);
    const info = JSON.parse(
      await qemuImg(place, ['info', '-U', '--output=json', diskFile(paths, disk.number)]),
    ) as Record<string, unknown>;
    await withQmp(host, paths.qmp, async qmp => {
      const { running } = await qmp.execute('query-status');
      await noteDump(place, paths, { number: disk.number, running });
      const split = await prepareSplit(place, paths, disk, layer, Number(info['virtual-size']), qmp);
      await split.now();
      await split.finish();
      await forgetDump(place, paths);
    });
  }

  return {
    async freeze(uid, layer) {
      const paths = containers.paths(uid);
      if (await files.exists(layout.layer(layer))) return;
      if ((await findMonitor(host, paths.directory)) !== undefined) return freezeRunning(uid, layer);
      const disk = await readDisk(place, paths);
      if (!disk || !(await files.exists(diskFile(paths, disk.number)))) throw noDisk(uid);
      await adoptLayer(place, diskFile(paths, disk.number), layer);
    },
    async discard(uid) {
      const paths = containers.paths(uid);
      const disk = await readDisk(place, paths);
      if (!disk) return;
      for (const number of [disk.number, disk.number + 1]) await files.remove(diskFile(paths, number));
    },
    locate: async layer => ((await files.exists(layout.layer(layer))) ? layout.layer(layer) : undefined),
    describe: async (layer, signal) => files.digestTree(await need(layer), signal),
    sync: async (layer, signal) => files.syncTree(await need(layer), signal),
    async fold(layers, into, signal) {
      if (await files.exists(layout.layer(into))) return;
      const paths = await Promise.all(layers.map(need));
      const [oldest, newest] = [paths[0], paths.at(-1)];
      if (oldest === undefined || newest === undefined) throw missingLayer(into);
      const below = await backingOf(place, `${oldest}/${LAYER_DISK}`);
      const partial = `${layout.layers}/.partial-${into}`;
      await files.remove(partial);
      await files.copyTree(newest, partial, 'auto', signal);
      // Not -u: what the layers between hold is copied into it.
      await qemuImg(
        place,
        ['rebase', '-f', 'qcow2', '-F', below.format, '-b', below.path, `${partial}/${LAYER_DISK}`],
        signal,
      );
      await files.rename(partial, layout.layer(into));
    },
    async remove(layer) {
      const path = layout.layer(layer);
      if (!(await files.exists(path)) || (await held()).has(layer)) return;
      const doomed = `${layout.layers}/.doomed-${layer}`; // Out of sight in one step.
      await files.remove(doomed);
      await files.rename(path, doomed);
      await files.remove(doomed);
    },
    async list() {
      const [entries, used] = await Promise.all([files.list(layout.layers), held()]);
      return entries
        .map(entry => entry.name)
        .filter(name => !name.startsWith('.') && !used.has(name))
        .sort();
    },
    packing: {
      isThere: layer => files.exists(layout.layer(layer)),
      async pack(layer, file, signal) {
        await packDirectory(host, await need(layer), file, signal);
        return 'disk';
      },
      async unpack(layer, file, _kind, signal) {
        if (await files.exists(layout.layer(layer))) return;
        const partial = `${layout.layers}/.partial-${layer}`;
        await files.remove(partial);
        await unpackDirectory(host, file, partial, signal);
        await files.rename(partial, layout.layer(layer));
      },
    },
  };
}

async function backingOf(place: Place, path: string): Promise<{ path: string; format: string }> {
  const info = JSON.parse(await qemuImg(place, ['info', '--output=json', path])) as Record<string, unknown>;
  return {
    path: String(info['full-backing-filename'] ?? info['backing-filename']),
    format: String(info['backing-filename-format']),
  };
}

function noDisk(uid: string): PortLayerError {
  return new PortLayerError('NOT_FOUND', `The container ${uid} has no writable layer.`, {
    remedy: 'Start the container first.',
    facts: { uid },
  });
}
