import type { Machine, Machines } from '../machines.js';
import { logFile, portChange, portOf } from '../serial-port.js';
import { faultOf, isUncertain } from '../vim/fault.js';
import { options, type Ref, ref, type Wire } from '../vim/wire.js';
import type { Turns } from './turns.js';

/** What one Instant Clone is to become. */
export interface CloneRequest {
  readonly source: Ref;
  readonly name: string;
  /** Which of our keys, with which value, says that a machine of that name is this one. */
  readonly key: string;
  readonly id: string;
  /** extraConfig on top of the source's; an empty value takes a key away. */
  readonly config: Readonly<Record<string, string>>;
  readonly biosUuid: string;
  /** The file for its output; absent: it says nothing. */
  readonly log?: string;
}

/**
 * Makes one Instant Clone, a bounded number at once. After an answer that leaves open whether there is one, it looks for
 * the machine by name and key before it does anything else: there is never a second.
 */
export async function instantClone(
  machines: Machines,
  turns: Turns,
  request: CloneRequest,
  signal: AbortSignal,
): Promise<Machine> {
  const { source, name, key, id } = request;
  return turns.run(async () => {
    try {
      const made = (await machines.task(
        'InstantClone_Task',
        source,
        await specOf(machines, request, signal),
        signal,
      )) as Ref;
      const machine = await machines.read(made, signal);
      if (machine) return machine;
    } catch (caught) {
      if (!isUncertain(caught) && faultOf(caught) !== 'DuplicateName') throw caught;
      const there = await machines.find(name, key, id, AbortSignal.timeout(machines.config.taskMs));
      if (!there) throw caught;
      return there;
    }
    const machine = await machines.find(name, key, id, signal);
    if (machine) return machine;
    throw new Error(`the clone ${name} was made and is gone`);
  }, signal);
}

/** Asks the vCenter whether it could be done now; nothing is made. Throws the fault it would end with. */
export async function checkClone(
  machines: Machines,
  request: CloneRequest,
  signal: AbortSignal,
): Promise<void> {
  const { vmProvisioningChecker } = await machines.vcenter.vim.content({ signal });
  if (!vmProvisioningChecker) return;
  const { spec } = await specOf(machines, request, signal);
  await machines
    .task('CheckInstantClone_Task', vmProvisioningChecker, { vm: ref(request.source), spec }, signal)
    .catch(caught => {
      // A vCenter without the dry run is asked for the real thing.
      if (
        !['NotSupported', 'MethodNotFound', 'InvalidRequest', 'ManagedObjectNotFound'].includes(
          faultOf(caught) ?? '',
        )
      )
        throw caught;
    });
}

async function specOf(
  machines: Machines,
  { source, name, config, biosUuid, log }: CloneRequest,
  signal: AbortSignal,
): Promise<{ readonly spec: Wire }> {
  const place = await machines.place(signal);
  const port = log === undefined ? undefined : await portOf(machines, source, signal);
  const change = port === undefined || log === undefined ? {} : { deviceChange: portChange(log, port) };
  const location = { folder: ref(place.folder), pool: ref(place.pool), ...change };
  // An empty value would be sent as none: what a clone must not inherit is blanked.
  return { spec: { name, location, config: options(config), biosUuid } };
}

/** Where a container's output goes. */
export async function logOf(machines: Machines, uid: string, signal: AbortSignal): Promise<string> {
  return logFile(await machines.place(signal), uid);
}
