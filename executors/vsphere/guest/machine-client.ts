import { setTimeout as sleep } from 'node:timers/promises';
import { exitOfLine } from '../../../portlayer/environments/monitor/exit-result.js';
import { createGuestLines } from '../../../portlayer/environments/monitor/guest-lines.js';
import { parseMonitorLine } from '../../../portlayer/environments/monitor/monitor-line.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ExitResult } from '../../../portlayer/model/container-record.js';
import type { GuestLink } from '../../../portlayer/plugin/executor.js';
import { extraConfig, extraOf, type Machine, type Machines } from '../machines.js';
import { GUEST_KEYS, KEYS } from '../names.js';
import { faultOf } from '../vim/fault.js';
import { isUnreachable } from '../vim/unreachable.js';
import { watchObject } from '../vim/watch.js';
import { createOrders } from './orders.js';
import { parseDown, parseUp, type Up } from './values.js';

/**
 * The service's side of one run of one container: watches its machine, and writes to its guest. Closing it ends nothing
 * that runs. A vCenter that is away only makes it wait.
 */
export interface MachineClient {
  /** Resolves when the task has ended, its exit is kept in the vCenter, and the machine is off. Rejects only if closed first. */
  readonly ended: Promise<ExitResult>;
  isOver(): boolean;
  /** True once the guest has told how its task ended, though its machine may still be on. */
  hasExit(): boolean;
  /** Resolves when the machine was looked at once, or the vCenter cannot be reached. */
  readonly seen: Promise<void>;
  /** Resolves when the init is known. Throws WRONG_STATE if the task has ended. */
  started(signal?: AbortSignal): Promise<void>;
  /** Gives an order to the guest's agent; its number. */
  order(text: string): number;
  /** Resolves with what came of an order: `ok`, or why not. Throws WRONG_STATE if the task has ended. */
  done(order: number, signal: AbortSignal): Promise<string>;
  /** Resolves with the line READY of a clone. Throws WRONG_STATE if it has ended. */
  ready(generation: string, signal: AbortSignal): Promise<string>;
  /** Opens the guest link; one that is open is closed. */
  link(signal: AbortSignal): GuestLink;
  close(): void;
}

const RETRY_MS = 1_000;
const PATHS = ['config.extraConfig', 'runtime.powerState'];

/**
 * A client of the container's machine; looks for it at once.
 *
 * @param find finds the machine, also after the container has moved to another
 */
export function createMachineClient(
  machines: Machines,
  find: (signal: AbortSignal) => Promise<Machine | undefined>,
  uid: string,
  log: (message: string) => void,
): MachineClient {
  const closing = new AbortController();
  const { signal: closed } = closing;
  const waiters = new Set<() => void>();
  const unacknowledged: number[] = [];
  const finished = new Map<number, string>();
  let machine: Machine | undefined;
  let up: Up | undefined;
  let boot = '';
  let newest = 0;
  let readyLine = '';
  let exit: ExitResult | undefined;
  let over = false;
  let openLink: AbortController | undefined;
  let look: () => void = () => {};
  const seen = new Promise<void>(resolve => {
    look = resolve;
  });

  const orders = createOrders(value => write(value), log);
  const lines = createGuestLines(() => {
    unacknowledged.shift();
    orders.acknowledge(unacknowledged[0] === undefined ? newest : unacknowledged[0] - 1);
  });
  const changed = () => {
    for (const wake of [...waiters]) wake();
  };
  const ended = follow();
  ended.catch(() => {});

  async function follow(): Promise<ExitResult> {
    try {
      return await untilExit();
    } finally {
      over = true;
      orders.close();
      lines.end();
      look();
      changed();
    }
  }

  async function untilExit(): Promise<ExitResult> {
    for (;;) {
      try {
        machine = await find(closed);
        if (!machine) return lost('its virtual machine is gone');
        orders.restore(parseDown(machine.extra[GUEST_KEYS.down]));
        const end = await watchMachine(machine);
        if (end) return await keep(machine, end);
      } catch (caught) {
        closed.throwIfAborted();
        look();
        if (!isUnreachable(caught) && faultOf(caught) !== 'ManagedObjectNotFound')
          log(`machine of ${uid}: ${PortLayerError.from(caught).describe()}`);
        await sleep(RETRY_MS, undefined, { signal: closed, ref: false });
      }
    }
  }

  /** How it ended; undefined where it is not there any more under this reference. */
  async function watchMachine({ ref }: Machine): Promise<ExitResult | undefined> {
    for await (const values of watchObject(machines.vcenter.vim, ref, PATHS, closed)) {
      const extra = extraOf(values['config.extraConfig']);
      // In a restarted vCenter the same reference may be another's machine; in a fork the container moves to another one.
      if (extra[KEYS.uid] !== uid) return undefined;
      const kept = exitOf(extra[KEYS.exit]);
      if (kept) return kept;
      hear(parseUp(extra[GUEST_KEYS.up]));
      look();
      if (exit) return exit;
      if (values['runtime.powerState'] === 'poweredOff') return lost('its virtual machine was powered off');
      changed();
    }
    return undefined;
  }

  function hear(now: Up | undefined): void {
    // What a clone's source wrote before is still there until the clone writes itself.
    if (!now || now.self !== orders.self()) return;
    if (now.boot !== boot) {
      boot = now.boot;
      newest = orders.begin(boot);
      unacknowledged.length = 0;
      lines.forget();
    }
    up = now;
    orders.taken(now.taken);
    for (const { number, text } of now.lines) {
      if (number <= newest) continue;
      newest = number;
      hearLine(number, text);
    }
    if (unacknowledged.length === 0) orders.acknowledge(newest);
  }

  function hearLine(number: number, text: string): void {
    if (text.startsWith('GUEST ')) {
      if (text.startsWith('GUEST READY ')) readyLine = text.slice(6);
      unacknowledged.push(number);
      lines.push(text.slice(6));
      return;
    }
    const line = parseMonitorLine(text);
    if (line?.word === 'EXIT') exit = exitOfLine(line);
    if (line?.word === 'DONE')
      finished.set(Number(line.values.get('order')), line.values.get('result') ?? '');
  }

  async function write(value: string): Promise<void> {
    if (!machine) return;
    await machines.reconfigure(machine.ref, () => extraConfig({ [GUEST_KEYS.down]: value }), closed);
  }

  /** What the guest wrote goes with its power: how it ended is kept in a key of ours before. */
  async function keep({ ref }: Machine, end: ExitResult): Promise<ExitResult> {
    await machines.reconfigure(ref, () => extraConfig({ [KEYS.exit]: JSON.stringify(end) }), closed);
    const now = await machines.read(ref, closed);
    if (now && now.power !== 'poweredOff')
      await machines.task('PowerOffVM_Task', ref, {}, closed).catch(caught => {
        if (faultOf(caught) !== 'InvalidPowerState') throw caught;
      });
    return end;
  }

  async function until<T>(look: () => T | undefined, signal?: AbortSignal): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (over) throw hasEnded();
      signal?.throwIfAborted();
      await new Promise<void>(resolve => {
        const wake = () => {
          waiters.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        waiters.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
  }

  return {
    ended,
    seen,
    isOver: () => over,
    hasExit: () => exit !== undefined,
    async started(signal) {
      await until(() => (up && up.state === 'running' && up.incarnation !== '' ? true : undefined), signal);
    },
    order: text => orders.add(text),
    done: (order, signal) => until(() => finished.get(order), signal),
    ready: (generation, signal) =>
      until(() => (readyLine.includes(` gen=${generation}`) ? readyLine : undefined), signal),
    link(signal) {
      openLink?.abort();
      const mine = new AbortController();
      openLink = mine;
      signal.addEventListener('abort', () => mine.abort(), { once: true });
      return {
        lines: lines.read(mine.signal),
        send: line => void orders.add(line),
        close: () => mine.abort(),
      };
    },
    close() {
      closing.abort(new Error('closed'));
      openLink?.abort();
    },
  };
}

/** What {@link KEYS.exit} holds. */
export function exitOf(text: string | undefined): ExitResult | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text) as ExitResult;
  } catch {
    return lost('its exit was kept in a form that cannot be read');
  }
}

function lost(why: string): ExitResult {
  return {
    code: 137,
    signal: 9,
    oomKilled: false,
    lost: true,
    failure: `Nobody knows how it ended: ${why}.`,
    atMs: Date.now(),
  };
}

/** The error for what is asked of a task that has ended. */
export function hasEnded(): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'The task has ended.', {
    required: 'a running container',
    found: 'its machine is off, or gone',
    remedy: 'Start it again: portlayer start NAME',
  });
}
