import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { Fingerprint } from '../model/capability.js';
import type { Executor } from './executor.js';
import { type Host, isUnreachable } from './host.js';

const retryMs = 500;

/**
 * An executor on a host that may not be reachable now: it is made when its host is, and every call until then fails
 * with EXECUTOR_UNAVAILABLE and the reason; `wait` waits. It has its facets and capabilities once it is made.
 */
export function deferExecutor(name: string, host: Host, make: () => Promise<Executor>): Executor {
  const closing = new AbortController();
  let made: Executor | undefined;
  let making: Promise<Executor> | undefined;

  async function get(): Promise<Executor> {
    if (made) return made;
    // The first question waits for a link that is on its way, and says why there is none.
    making ??= host.files
      .exists('/')
      .then(make)
      .then(executor => {
        made = executor;
        return executor;
      })
      .finally(() => {
        making = undefined;
      });
    return making;
  }

  /** Makes it however long its host is away. */
  async function untilMade(signal: AbortSignal): Promise<Executor> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await get();
      } catch (caught) {
        if (!isUnreachable(caught)) throw caught;
      }
      await host.untilReachable?.(signal);
      await sleep(retryMs, undefined, { signal, ref: false });
    }
  }
  void untilMade(closing.signal).catch(() => {});

  const now = (): Executor => {
    if (made) return made;
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', `The executor ${name} on ${host.name} is not ready.`, {
      required: `the host ${host.name} within reach`,
      found: 'it was not reached since the service started',
      remedy: 'Repeat the call. "portlayer doctor" says what keeps it away.',
      facts: { host: host.name, executor: name },
    });
  };

  const deferred: Executor = {
    name,
    get capabilities() {
      return made?.capabilities ?? [];
    },
    async *fingerprint(signal) {
      const executor = await get().catch((caught: unknown) => {
        if (isUnreachable(caught)) return undefined;
        throw caught;
      });
      if (executor) yield* executor.fingerprint(signal);
      else yield away(name, host);
    },
    check: async spec => (await get()).check(spec),
    handleFor: uid => now().handleFor(uid),
    start: async (request, signal) => (await get()).start(request, signal),
    recover: async (uid, handle, signal) => (await get()).recover(uid, handle, signal),
    settle: async uid => (await get()).settle(uid),
    wait: async (uid, signal) =>
      (await untilMade(AbortSignal.any([signal, closing.signal]))).wait(uid, signal),
    signal: async (uid, signal) => (await get()).signal(uid, signal),
    handles: async (uid, signal) => (await get()).handles(uid, signal),
    stop: async (uid, graceMs) => (await get()).stop(uid, graceMs),
    destroy: async uid => (await get()).destroy(uid),
    link: async (uid, signal) => (await get()).link(uid, signal),
    async *logs(uid, options, signal) {
      yield* (await get()).logs(uid, options, signal);
    },
    disk: {
      freeze: async (uid, layer) => (await get()).disk.freeze(uid, layer),
      discard: async uid => (await get()).disk.discard(uid),
      describe: async (layer, signal) => (await get()).disk.describe(layer, signal),
      sync: async (layer, signal) => (await get()).disk.sync(layer, signal),
      fold: async (layers, into, signal) => (await get()).disk.fold(layers, into, signal),
      remove: async layer => (await get()).disk.remove(layer),
      list: async () => (await get()).disk.list(),
    },
    list: async () => (await get()).list(),
    async [Symbol.asyncDispose]() {
      closing.abort();
      const executor = made ?? (await making?.catch(() => undefined));
      await executor?.[Symbol.asyncDispose]();
    },
  };
  for (const facet of ['bind', 'exec', 'inside', 'leftovers', 'checkpoint', 'defaultNetwork'] as const) {
    Object.defineProperty(deferred, facet, { get: () => made?.[facet], enumerable: true });
  }
  Object.defineProperty(deferred.disk, 'packing', { get: () => made?.disk.packing, enumerable: true });
  return deferred;
}

function away(name: string, host: Host): Fingerprint {
  return {
    level: 'executor',
    name,
    health: 'unusable',
    description: `The host ${host.name} cannot be reached.`,
    findings: [],
  };
}
