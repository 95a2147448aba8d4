import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { caller } from './caller.js';
import { requireRestorable } from './check-restore.js';
import type { Core } from './core.js';
import type { RestoreRequest } from './dispatch.js';

/** Throws EXECUTOR_UNAVAILABLE, with what keeps it away, where an environment is a host that cannot be reached now. */
export async function requireReachable(core: Core, environment: string): Promise<void> {
  const { host } = core.registry.environment(environment);
  if (host?.untilReachable) await host.files.exists(host.stateDirectory);
}

/** A checkpoint that can be restored in an environment, its own unless said otherwise; what is not met is told as the policy says. */
export async function fitting(
  core: Core,
  record: CheckpointRecord,
  { constraints = 'enforce', unmet }: Pick<RestoreRequest, 'constraints' | 'unmet'>,
  environment = record.spec.environment,
): Promise<CheckpointRecord> {
  // Else every constraint of a host that is away would be told as not met.
  await requireReachable(core, environment);
  return requireRestorable(core, record, environment, constraints, verdicts => {
    const why = verdicts.map(({ level, key, found }) => `${level} ${key}: ${found || 'nothing'}`).join('; ');
    core.audit.record({ who: caller(), what: 'warn', on: record.crid, outcome: 'allowed', why });
    const facts = { unmet: why.slice(0, 1000) };
    core.ledger.write({ about: 'checkpoint', id: record.crid, type: 'constraints-unmet', facts });
    unmet?.(verdicts);
  });
}
