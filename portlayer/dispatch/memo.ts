import { PortLayerError } from '../errors/port-layer-error.js';
import { type CheckpointRecord, isUsable } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { MemoOutcome, MemoSpec } from '../model/memo-spec.js';
import { expired, memoKey, memoPart, whyMissed } from '../planner/memo-key.js';
import { requireRestorable } from './check-restore.js';
import { remove } from './checkpoints.js';
import type { Core } from './core.js';
import { publish } from './publish.js';

/** The label of an entry; its value is the key. */
const MEMO_LABEL = 'portlayer/memo';
/** So many entries are compared to explain a miss. */
const MOST_COMPARED = 50;
const USABLE = ['captured', 'committing', 'committed'] as const;

/** Findings of executors and loaders that are versions: a start under another one is another start. */
const VERSIONS = [
  'runc',
  'criu',
  'qemu',
  'accelerator',
  'dmtcp',
  'libc',
  'init-build',
  'guest-kernel',
  'kernel',
  'version',
];

/** An entry, or why there is none to use. */
export interface Lookup {
  readonly outcome: MemoOutcome;
  readonly entry?: CheckpointRecord;
}

/** Looks for the entry of a container's start. An entry that has expired is removed. */
export async function lookUpMemo(core: Core, spec: ContainerSpec, memo: MemoSpec): Promise<Lookup> {
  const parts = await memoParts(core, spec, memo);
  const key = memoKey(parts);
  const miss = (reason: string): Lookup => ({ outcome: { key, parts, hit: false, reason } });
  const entry = core.catalog.checkpointByReference(`memo:${key}`);
  if (!entry) {
    const entries = core.catalog.checkpoints({
      states: USABLE,
      labels: { [MEMO_LABEL]: '' },
      published: true,
      limit: MOST_COMPARED,
    }).items;
    return miss(
      whyMissed(
        parts,
        entries.map(each => each.memo?.parts ?? {}),
      ) ?? 'no entry yet',
    );
  }
  if (!isUsable(entry)) return miss(`the entry is ${entry.state}`);
  const old = expired(entry.createdAtMs, Math.min(memo.ttlMs, entry.memo?.ttlMs ?? memo.ttlMs), Date.now());
  if (old !== undefined) {
    await core.locks.run(entry.crid, 'remove', () => remove(core, entry.crid, true));
    return miss(old);
  }
  try {
    await requireRestorable(core, entry, entry.spec.environment, 'enforce', () => {});
  } catch (caught) {
    const { required, found } = PortLayerError.from(caught);
    return miss(`the entry does not fit here: ${required}, found ${found}`);
  }
  return { outcome: { key, parts, hit: true, checkpoint: entry.crid }, entry };
}

/** Makes a checkpoint the entry of its container's start, where that was looked for and missed. Never throws: an entry is a convenience. */
export async function memoize(core: Core, container: ContainerRecord, crid: string): Promise<void> {
  const { memo, spec } = container;
  if (!memo || memo.hit || spec.memo?.enabled !== true) return;
  const { ttlMs } = spec.memo;
  try {
    const name = async () => {
      const record = core.catalog.checkpoint(crid);
      if (!record || record.published !== undefined || core.catalog.checkpointByReference(`memo:${memo.key}`))
        return;
      core.ledger.write({
        checkpoint: { ...record, memo: { key: memo.key, parts: memo.parts, ttlMs } },
        type: 'memoized',
        facts: { key: memo.key },
      });
      await publish(core, crid, `memo:${memo.key}`, { move: false, labels: { [MEMO_LABEL]: memo.key } });
    };
    // The commit of a large image may hold it for long: nobody waits for this.
    await core.locks.run(crid, 'publish', name, Infinity);
  } catch (caught) {
    const { code, message } = PortLayerError.from(caught);
    core.log(`memo of ${spec.name}: ${message}`);
    const facts = { uid: container.uid, code };
    core.ledger.write({ about: 'container', id: spec.name, type: 'memo-refused', facts });
  }
}

async function memoParts(core: Core, spec: ContainerSpec, memo: MemoSpec): Promise<Record<string, string>> {
  const { environment, executor, loader, task, rootfs, network, volumes, executorOptions } = spec;
  const { env, ...rest } = task;
  const parts: Record<string, string> = {
    levels: memoPart([environment, executor, loader]),
    task: memoPart(rest),
    argv: memoPart(task.argv),
    network: memoPart(network),
    volumes: memoPart(volumes),
    options: memoPart(executorOptions),
    resources: memoPart(spec.resources),
    secrets: memoPart(spec.secrets ?? []),
  };
  const ignored = new Set(memo.ignoreEnv);
  for (const [name, value] of Object.entries(env))
    if (!ignored.has(name)) parts[`env ${name}`] = memoPart(value);
  for (const { level, name, fingerprint } of await core.registry.offers(environment, executor, loader))
    for (const { key, value } of fingerprint?.findings ?? [])
      if (VERSIONS.includes(key)) parts[`${level} ${name} ${key}`] = memoPart(value);
  const files = core.registry.environment(environment).host?.files;
  const contents = async (name: string, path: string): Promise<void> => {
    const digest = await files?.contentDigest?.(path).catch(() => 'missing');
    if (digest === undefined) throw cannotDigest(environment, path);
    parts[name] = memoPart(digest);
  };
  if (rootfs !== undefined) await contents('rootfs', rootfs);
  for (const input of memo.inputs) await contents(`input ${input}`, input);
  return parts;
}

function cannotDigest(environment: string, path: string): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', `A start in ${environment} cannot be memoized.`, {
    required: `the digest of ${path}`,
    found: 'an environment that cannot give it without reading everything each time',
    remedy: 'Leave memo out, or run in the environment local.',
    facts: { level: 'environment', name: environment },
  });
}
