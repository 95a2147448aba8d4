import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUsable } from '../model/checkpoint-record.js';
import { type ConstraintVerdict, judgeConstraints } from '../model/constraint.js';
import { smallestChanges } from '../planner/smallest-change.js';
import type { Core } from './core.js';
import type { ConstraintPolicy, Dispatch, TargetReport } from './dispatch.js';
import { findCheckpoint } from './find.js';
import { type Target, targetFacts } from './target-facts.js';
import { notUsable } from './usable.js';

/** How long one environment may take to say what it has, in milliseconds. */
const LOOK_MS = 10_000;
/** So many environments are asked together. */
const AT_ONCE = 32;

/** The calls that compare a checkpoint with where it could be restored. Start nothing. */
export function checkCalls(core: Core): Pick<Dispatch, 'checkRestore' | 'listTargets'> {
  return {
    async checkRestore(checkpoint, environment) {
      const record = findCheckpoint(core, checkpoint);
      const place = environment ?? record.spec.environment;
      return report(record, await targetFacts(core, place, record.spec, record.constraints));
    },
    async listTargets(checkpoint) {
      const record = findCheckpoint(core, checkpoint);
      const names = [...core.registry.environments()];
      const reports: TargetReport[] = [];
      while (names.length > 0) {
        const some = names
          .splice(0, AT_ONCE)
          .map(async name => report(record, await lookAt(core, name, record)));
        reports.push(...(await Promise.all(some)));
      }
      return reports;
    },
  };
}

/**
 * Holds a checkpoint against an environment before anything is started. `enforce`: throws
 * CONSTRAINT_UNMET with the first that is not met. `warn`: tells them and goes on. `ignore`: does not look.
 */
export async function requireRestorable(
  core: Core,
  record: CheckpointRecord,
  environment: string,
  policy: ConstraintPolicy,
  unmet: (verdicts: readonly ConstraintVerdict[]) => void,
): Promise<CheckpointRecord> {
  if (!isUsable(record)) throw notUsable(record);
  if (policy === 'ignore') return record;
  const target = await targetFacts(core, environment, record.spec, record.constraints);
  const { verdicts, changes } = report(record, target);
  const failed = verdicts.filter(verdict => !verdict.met);
  const [first] = failed;
  if (!first) return record;
  if (policy === 'warn') {
    unmet(failed);
    return record;
  }
  throw new PortLayerError('CONSTRAINT_UNMET', `Checkpoint ${record.crid} does not fit this target.`, {
    required: describe(first),
    found: first.found || 'nothing of the kind',
    remedy: changes.map(change => change.what).join(' '),
    facts: {
      crid: record.crid,
      level: first.level,
      key: first.key,
      unmet: failed.map(verdict => `${verdict.level} ${verdict.key}`).join(', '),
    },
  });
}

function describe({ level, key, relation, required }: ConstraintVerdict): string {
  return `${level} ${key} ${relation} ${required}`.slice(0, 1000);
}

function report(record: CheckpointRecord, target: Target): TargetReport {
  const { environment, facts, remedies, unusable } = target;
  const verdicts = judgeConstraints(record.constraints, facts);
  const changes = smallestChanges(verdicts, { target: environment, crid: record.crid, remedies });
  return {
    environment,
    fits: verdicts.every(verdict => verdict.met),
    verdicts,
    changes,
    ...(unusable === undefined ? {} : { unusable }),
  };
}

/** One that does not answer fits nothing, and is no reason to fail for the others. */
async function lookAt(core: Core, environment: string, record: CheckpointRecord): Promise<Target> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Target>(resolve => {
    const silent: Target = {
      environment,
      facts: {},
      remedies: {},
      unusable: `it did not answer within ${LOOK_MS} ms`,
    };
    timer = setTimeout(() => resolve(silent), LOOK_MS);
  });
  try {
    return await Promise.race([targetFacts(core, environment, record.spec, record.constraints), late]);
  } finally {
    clearTimeout(timer);
  }
}
