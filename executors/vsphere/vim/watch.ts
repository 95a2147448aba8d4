import { setTimeout as sleep } from 'node:timers/promises';
import type { CallLimits, VimClient } from './client.js';
import { faultOf, vimFault } from './fault.js';
import { isUnreachable } from './unreachable.js';
import { list, type Ref, ref } from './wire.js';

/** How long one question to the vCenter stays open, in seconds. */
const OPEN_S = 20;
/** Pauses between tries to reach a vCenter that is away, in milliseconds. */
const RETRY_MS = [100, 200, 500, 1000, 2000, 5000];

/** The faults by which a vCenter says that it has forgotten a collector: it was restarted, or the session was renewed. */
const FORGOTTEN = new Set([
  'ManagedObjectNotFound',
  'InvalidCollectorVersion',
  'NotAuthenticated',
  'RequestCanceled',
]);

/**
 * Properties of one managed object now and after each change, until the caller stops or the signal aborts. Each wait has a
 * collector of its own: on a shared one they would take each other's updates. A vCenter that goes away is asked again
 * until it is back, and the properties are then given anew. Throws NOT_FOUND (ManagedObjectNotFound) when the object is gone.
 */
export async function* watchObject(
  vim: VimClient,
  object: Ref,
  paths: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      for await (const values of watchOnce(vim, object, paths, { signal })) {
        failures = 0;
        yield values;
      }
    } catch (caught) {
      signal.throwIfAborted();
      if (!isUnreachable(caught) && !(FORGOTTEN.has(faultOf(caught) ?? '') && !isGone(caught))) throw caught;
      await sleep(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)], undefined, { signal, ref: false });
    }
  }
}

const GONE = 'the object is gone';

function isGone(caught: unknown): boolean {
  return caught instanceof Error && 'found' in caught && String(caught.found).startsWith(GONE);
}

async function* watchOnce(
  vim: VimClient,
  object: Ref,
  paths: readonly string[],
  limits: CallLimits,
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  const { propertyCollector } = await vim.content(limits);
  const collector = (await vim.call(
    'CreatePropertyCollector',
    { _this: ref(propertyCollector) },
    limits,
  )) as Ref;
  try {
    const propSet = [{ type: object.type, pathSet: paths }];
    const spec = {
      propSet,
      objectSet: [{ obj: ref(object), skip: false }],
      reportMissingObjectsInResults: true,
    };
    await vim
      .call('CreateFilter', { _this: ref(collector), spec, partialUpdates: false }, limits)
      .catch((caught: unknown) => {
        throw faultOf(caught) === 'ManagedObjectNotFound' ? gone(object) : caught;
      });
    const known: Record<string, unknown> = {};
    let version = '';
    for (;;) {
      const update = (await vim.call(
        'WaitForUpdatesEx',
        { _this: ref(collector), version, options: { maxWaitSeconds: OPEN_S } },
        { ...limits, deadlineMs: (OPEN_S + 20) * 1000 },
      )) as Update | undefined;
      if (!update) continue; // Nothing has changed in that time.
      version = update.version;
      if (apply(known, update)) throw gone(object);
      yield { ...known };
    }
  } finally {
    await vim
      .call('DestroyPropertyCollector', { _this: ref(collector) }, { deadlineMs: 5_000 })
      .catch(() => {});
  }
}

interface Update {
  readonly version: string;
  readonly filterSet?: unknown;
}

/** Takes an update over; true where it says that the object is gone. */
function apply(known: Record<string, unknown>, update: Update): boolean {
  let left = false;
  for (const filter of list(update.filterSet) as readonly { objectSet?: unknown; missingSet?: unknown }[]) {
    for (const object of list(filter.objectSet) as readonly { kind: string; changeSet?: unknown }[]) {
      left ||= object.kind === 'leave';
      for (const change of list(object.changeSet) as readonly { name: string; val?: unknown }[]) {
        if (change.val === undefined) delete known[change.name];
        else known[change.name] = change.val;
      }
    }
  }
  return left;
}

function gone(object: Ref): Error {
  return vimFault('WaitForUpdatesEx', 'ManagedObjectNotFound', `${GONE}: ${object.type} ${object.value}`);
}
