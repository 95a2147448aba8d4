import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { MemoOutcome } from '../model/memo-spec.js';
import { bringerOf } from './bring-copy.js';
import { layersOf } from './checkpoints.js';
import { originOf } from './copies.js';
import { type Core, executorOf, recordOf } from './core.js';
import { lookUpMemo } from './memo.js';
import type { Runs } from './runs.js';
import { inheritSecrets } from './secrets.js';

/**
 * Starts a container for the first time: from the entry of its memo where there is one, else from the beginning. A
 * restore that fails is a miss: the container starts from the beginning all the same. The caller holds its lock.
 */
export async function beginFirst(core: Core, runs: Runs, uid: string): Promise<ContainerRecord> {
  const record = recordOf(core, uid);
  const { memo } = record.spec;
  if (!memo?.enabled || record.restoredFrom !== undefined) return runs.begin(uid);
  const { outcome, entry } = await lookUpMemo(core, record.spec, memo);
  if (!entry) return miss(core, runs, record, outcome);
  try {
    await core.locks.run(layersOf(entry.crid), 'restore', async () => {
      const spec = withImageEnv(record.spec, entry, memo.ignoreEnv);
      const container = { ...record, spec, ...originOf(entry), memo: outcome };
      core.ledger.write({
        container,
        type: 'memo-hit',
        facts: { key: outcome.key, checkpoint: entry.crid },
      });
    });
    await inheritSecrets(core, entry.containerUid, uid, record.spec);
    return await runs.begin(uid, bringerOf(core, entry));
  } catch (caught) {
    const error = PortLayerError.from(caught);
    if (core.closing.aborted) throw error;
    await executorOf(core, record.spec).disk.discard(uid);
    const reason = `the entry could not be restored: ${error.code}: ${error.message}`;
    const { checkpoint: _, ...rest } = outcome;
    const { generation } = recordOf(core, uid);
    return miss(core, runs, { ...record, generation }, { ...rest, hit: false, reason });
  }
}

function miss(core: Core, runs: Runs, record: ContainerRecord, memo: MemoOutcome): Promise<ContainerRecord> {
  const facts = { key: memo.key, reason: memo.reason ?? '' };
  core.ledger.write({ container: { ...record, memo }, type: 'memo-miss', facts });
  return runs.begin(record.uid);
}

/** What does not count for the key is in the image as it was when that was taken: the record says what is so. */
function withImageEnv(
  spec: ContainerSpec,
  entry: CheckpointRecord,
  ignored: readonly string[],
): ContainerSpec {
  const env = { ...spec.task.env };
  for (const name of ignored) {
    const value = entry.spec.task.env[name];
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return { ...spec, task: { ...spec.task, env } };
}
