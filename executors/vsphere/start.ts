import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../portlayer/plugin/executor.js';
import type { Containers } from './containers.js';
import { launchValue } from './guest/launch.js';
import { firstDown } from './guest/values.js';
import { identityOf, newSelf, uuidOf } from './identity.js';
import { needLayer, snapshotOf } from './layers.js';
import { extraConfig, type Machine } from './machines.js';
import { GUEST_KEYS, KEYS, machineName, TEMPLATE_BASE } from './names.js';
import { logFile, makeLogDirectory, portChange, portOf } from './serial-port.js';
import { faultOf, isUncertain } from './vim/fault.js';
import { type Ref, ref } from './vim/wire.js';

/** Asked by ESX at a power-on when the file behind a serial port exists; this answers it. */
const APPEND = { 'answer.msg.serial.file.open': 'Append' };
const MIB = 2 ** 20;

/**
 * Starts one container: its machine is cloned from the template or the newest layer, or is the one of the run before;
 * it is told what to run, powered on, and waited for until the init has taken over.
 */
export async function startMachine(
  containers: Containers,
  request: StartRequest,
  signal: AbortSignal,
): Promise<void> {
  const { machines } = containers;
  const { uid, spec } = request;
  if (request.launch.machine || request.launch.bring.length > 0) throw loaderRefused();
  const launch = launchValue(request, identityOf(uid, spec).hostname);
  containers.forget(uid);
  const machine = await prepareMachine(containers, request, signal);
  const self = newSelf(uid);
  const down = firstDown(self, 'container');
  const memory = spec.resources.memoryBytes;
  await machines.reconfigure(
    machine.ref,
    () => ({
      ...(memory === undefined ? {} : { memoryMB: 4 * Math.ceil(memory / (4 * MIB)) }),
      ...extraConfig({
        ...APPEND,
        [KEYS.exit]: '',
        [GUEST_KEYS.launch]: launch,
        [GUEST_KEYS.down]: down,
        [GUEST_KEYS.up]: '',
        [GUEST_KEYS.identity]: '',
      }),
    }),
    signal,
  );
  await powerOn(containers, machine.ref, signal);
  await waitForInit(containers, uid, signal);
}

/** A machine of this container that is off, and whose disk stands on the layers of the request. */
async function prepareMachine(
  containers: Containers,
  request: StartRequest,
  signal: AbortSignal,
): Promise<Machine> {
  const { machines } = containers;
  const { uid, layers } = request;
  const base = layers.at(-1) ?? TEMPLATE_BASE;
  const found = await containers.find(uid, signal);
  if (found && found.extra[KEYS.base] === base && !found.extra[KEYS.discarded]) {
    if (found.power !== 'poweredOff') await powerOff(containers, found.ref, signal);
    return found;
  }
  if (found) await machines.destroy(found, signal);
  const place = await machines.place(signal);
  await makeLogDirectory(machines, signal);
  const [source, snapshot] =
    base === TEMPLATE_BASE ? [place.template, undefined] : await layerSource(containers, base, signal);
  const name = machineName(uid);
  const spec = {
    location: {
      ...(snapshot ? { diskMoveType: 'createNewChildDiskBacking' } : {}),
      pool: ref(place.pool),
    },
    template: false,
    config: {
      uuid: uuidOf(uid),
      deviceChange: portChange(logFile(place, uid), await portOf(machines, source, signal)),
      ...extraConfig({
        [KEYS.uid]: uid,
        [KEYS.base]: base,
        ...cleared(),
      }),
    },
    powerOn: false,
    ...(snapshot ? { snapshot: ref(snapshot) } : {}),
  };
  try {
    await machines.task('CloneVM_Task', source, { folder: ref(place.folder), name, spec }, signal);
  } catch (caught) {
    // Never a second clone after an uncertain answer: it may be there.
    if (!isUncertain(caught) && faultOf(caught) !== 'DuplicateName') throw caught;
    const there = await containers.find(uid, signal);
    if (!there) throw caught;
  }
  return containers.known(uid, signal);
}

async function layerSource(
  containers: Containers,
  layer: string,
  signal: AbortSignal,
): Promise<readonly [Ref, Ref]> {
  const machine = await needLayer(containers.machines, layer, signal);
  return [machine.ref, await snapshotOf(containers.machines, machine.ref, layer, signal)];
}

/** What a clone must not have from its source. */
function cleared(): Readonly<Record<string, string>> {
  const ours = [KEYS.layer, KEYS.image, KEYS.exit, KEYS.discarded, KEYS.doomed, ...Object.values(GUEST_KEYS)];
  return Object.fromEntries(ours.map(key => [key, '']));
}

async function powerOn(containers: Containers, machine: Ref, signal: AbortSignal): Promise<void> {
  await containers.machines.task('PowerOnVM_Task', machine, {}, signal).catch(async caught => {
    const now = isUncertain(caught) ? await containers.machines.read(machine, signal) : undefined;
    if (now?.power !== 'poweredOn') throw caught;
  });
}

/** Powers a machine off. No error where it is. */
export async function powerOff(containers: Containers, machine: Ref, signal?: AbortSignal): Promise<void> {
  await containers.machines.task('PowerOffVM_Task', machine, {}, signal).catch(caught => {
    if (faultOf(caught) !== 'InvalidPowerState') throw caught;
  });
}

/** Waits for the first word of the init. A task that has ended by then has run. Throws EXECUTOR_UNAVAILABLE where none comes. */
async function waitForInit(containers: Containers, uid: string, signal: AbortSignal): Promise<void> {
  const { bootMs } = containers.machines.config;
  const client = containers.client(uid);
  const limit = AbortSignal.timeout(bootMs);
  try {
    await Promise.race([client.started(AbortSignal.any([signal, limit])), client.ended]);
  } catch (caught) {
    if (client.isOver()) return;
    const machine = await containers.find(uid, AbortSignal.timeout(bootMs));
    if (machine) await powerOff(containers, machine.ref);
    containers.forget(uid);
    if (signal.aborted || !limit.aborted) throw caught;
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The guest of the virtual machine did not report.', {
      required: `a word of portlayer-init guest within ${bootMs} ms`,
      found: 'none; the machine was powered off',
      remedy: 'See that the template starts "portlayer-init guest" and has VMware Tools (vmware-rpctool).',
      facts: { uid },
    });
  }
}

function loaderRefused(): PortLayerError {
  return new PortLayerError(
    'CAPABILITY_MISSING',
    'The executor vsphere cannot carry out what the loader plans.',
    {
      required: 'a loader that brings no files and no kernel',
      found: 'a launch plan that has them',
      remedy: 'Use the loader init.',
      facts: { level: 'executor', name: 'vsphere' },
    },
  );
}
