import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { FullVsphereConfig } from './config.js';
import { findPlace, type Place } from './place.js';
import type { VCenter } from './vcenter.js';
import { faultOf, isUncertain } from './vim/fault.js';
import { readBelow, readObjects } from './vim/properties.js';
import { runTask } from './vim/task.js';
import { list, options, type Ref, ref, type Wire } from './vim/wire.js';

/** One of our machines, as it was when it was read. */
export interface Machine {
  readonly ref: Ref;
  readonly name: string;
  readonly power: 'poweredOn' | 'poweredOff' | 'suspended';
  readonly instanceUuid: string;
  readonly changeVersion: string;
  /** extraConfig, by key. */
  readonly extra: Readonly<Record<string, string>>;
}

/** The virtual machines of one service in one vCenter. Nothing here is the truth: that is in the vCenter. */
export interface Machines {
  readonly vcenter: VCenter;
  readonly config: FullVsphereConfig;
  /** Looked up once, and again after the vCenter has forgotten a part of it. */
  place(signal: AbortSignal): Promise<Place>;
  /** The machine of that name that has this value for one of our keys; another one of that name is not ours. */
  find(name: string, key: string, value: string, signal: AbortSignal): Promise<Machine | undefined>;
  /** By its instance UUID, with that value for one of our keys: for a machine that somebody has renamed. */
  findByUuid(uuid: string, key: string, value: string, signal: AbortSignal): Promise<Machine | undefined>;
  /** Every machine in our folder that has one of our keys. */
  all(signal: AbortSignal): Promise<readonly Machine[]>;
  read(machine: Ref, signal: AbortSignal): Promise<Machine | undefined>;
  /** A task on one machine or snapshot. Bounded by the configured time. */
  task(method: string, self: Ref, args: Wire, signal?: AbortSignal): Promise<unknown>;
  /**
   * Changes a machine on what `change` makes of its present state; where it was changed meanwhile (ConcurrentAccess) it
   * is read and changed again.
   */
  reconfigure(machine: Ref, change: (now: Machine) => Wire, signal: AbortSignal): Promise<void>;
  /** Powers it off where it is not, and removes it with its disks. No error where it is gone. */
  destroy(machine: Machine, signal: AbortSignal): Promise<void>;
}

const PATHS = [
  'name',
  'runtime.powerState',
  'config.instanceUuid',
  'config.changeVersion',
  'config.extraConfig',
];
const TRIES = 8;

/** The machines in the folder that the configuration names. */
export function createMachines(vcenter: VCenter, config: FullVsphereConfig): Machines {
  const { vim } = vcenter;
  let place: Promise<Place> | undefined;

  const machines: Machines = {
    vcenter,
    config,
    place(signal) {
      place ??= findPlace(vcenter, config, signal);
      const mine = place;
      mine.catch(() => {
        if (place === mine) place = undefined;
      });
      return mine;
    },
    async find(name, key, value, signal) {
      const { folder } = await machines.place(signal);
      const { searchIndex } = await vim.content({ signal });
      const args = { _this: ref(searchIndex), entity: ref(folder), name };
      let found: Ref | undefined;
      try {
        found = (await vim.call('FindChild', args, { signal })) as Ref | undefined;
      } catch (caught) {
        if (faultOf(caught) !== 'ManagedObjectNotFound') throw caught;
        place = undefined; // The folder's reference is of before a restart.
        return machines.find(name, key, value, signal);
      }
      const machine = found && (await machines.read(found, signal));
      return machine?.extra[key] === value ? machine : undefined;
    },
    async findByUuid(uuid, key, value, signal) {
      const { searchIndex } = await vim.content({ signal });
      const args = { _this: ref(searchIndex), uuid, vmSearch: true, instanceUuid: true };
      const found = (await vim.call('FindByUuid', args, { signal })) as Ref | undefined;
      const machine = found && (await machines.read(found, signal));
      return machine?.extra[key] === value ? machine : undefined;
    },
    async all(signal) {
      const { folder } = await machines.place(signal);
      const found = await readBelow(vim, folder, 'VirtualMachine', PATHS, { signal });
      return found
        .map(one => machineOf(one.ref, one.values))
        .filter(machine => Object.keys(machine.extra).some(key => key.startsWith('portlayer.')));
    },
    async read(machine, signal) {
      const [found] = await readObjects(vim, [machine], PATHS, { signal }).catch(caught => {
        if (faultOf(caught) === 'ManagedObjectNotFound') return [];
        throw caught;
      });
      return found && machineOf(found.ref, found.values);
    },
    task(method, self, args, signal) {
      const limit = AbortSignal.timeout(config.taskMs);
      return runTask(vim, method, self, args, signal ? AbortSignal.any([signal, limit]) : limit).catch(
        caught => {
          if (signal?.aborted || !limit.aborted) throw caught;
          throw tooLong(method, config.taskMs);
        },
      );
    },
    async reconfigure(machine, change, signal) {
      for (let tries = 1; ; tries++) {
        const now = await machines.read(machine, signal);
        if (!now) throw goneMachine(machine);
        const spec = { changeVersion: now.changeVersion, ...change(now) };
        try {
          await machines.task('ReconfigVM_Task', machine, { spec }, signal);
          return;
        } catch (caught) {
          const again =
            ['ConcurrentAccess', 'TaskInProgress'].includes(faultOf(caught) ?? '') || isUncertain(caught);
          if (!again || tries === TRIES) throw caught;
        }
      }
    },
    async destroy(machine, signal) {
      for (let tries = 1; ; tries++) {
        try {
          const now = await machines.read(machine.ref, signal);
          if (!now) return;
          if (now.power !== 'poweredOff') await machines.task('PowerOffVM_Task', now.ref, {}, signal);
          await machines.task('Destroy_Task', now.ref, {}, signal);
          return;
        } catch (caught) {
          const fault = faultOf(caught) ?? '';
          if (fault === 'ManagedObjectNotFound') return;
          const again = ['TaskInProgress', 'InvalidPowerState'].includes(fault) || isUncertain(caught);
          if (!again || tries === TRIES) throw caught;
        }
      }
    },
  };
  return machines;
}

/** Entries of extraConfig as part of a specification. */
export function extraConfig(values: Readonly<Record<string, string>>): Wire {
  return { extraConfig: options(values) };
}

function machineOf(machine: Ref, values: Readonly<Record<string, unknown>>): Machine {
  return {
    ref: machine,
    name: String(values.name ?? ''),
    power: (values['runtime.powerState'] ?? 'poweredOff') as Machine['power'],
    instanceUuid: String(values['config.instanceUuid'] ?? ''),
    changeVersion: String(values['config.changeVersion'] ?? ''),
    extra: extraOf(values['config.extraConfig']),
  };
}

/** extraConfig as it comes, by key. */
export function extraOf(value: unknown): Readonly<Record<string, string>> {
  const entries = list(value).map(one => one as { key?: unknown; value?: unknown });
  return Object.fromEntries(entries.map(({ key, value: text }) => [String(key), String(text ?? '')]));
}

/** The error for a machine that the vCenter does not have any more. */
export function goneMachine(machine: Ref): PortLayerError {
  return new PortLayerError('NOT_FOUND', `The virtual machine ${machine.value} is gone.`, {
    remedy: 'See the events of the vCenter; remove the container with portlayer rm --force.',
    facts: { machine: machine.value, fault: 'ManagedObjectNotFound' },
  });
}

function tooLong(method: string, ms: number): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The vCenter did not finish ${method} in time.`, {
    required: `an end within ${ms} ms`,
    found: 'it still runs',
    remedy: 'See the tasks of the vCenter, and repeat the call when it is less busy; or raise taskMs.',
    facts: { method, reason: 'timeout', uncertain: 'true' },
  });
}
