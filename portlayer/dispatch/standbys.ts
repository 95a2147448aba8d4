import { type CheckpointRecord, isUsable } from '../model/checkpoint-record.js';
import type { Standby } from '../plugin/mechanism.js';
import { mechanismNamed } from './choose-mechanism.js';
import type { Core } from './core.js';

/**
 * Makes copies ready, in the background, of a checkpoint that was captured, published, or forked: as many as its
 * container's spec asks for, where its mechanism can. While they are made the image stays where it is.
 */
export function fillStandbys(core: Core, crid: string): void {
  const record = core.catalog.checkpoint(crid);
  const standby = record && standbyOf(core, record);
  if (!standby || !isUsable(record) || core.closing.aborted || standby.wanted(record.spec) === 0) return;
  // What is made ready stands beside the store.
  if (core.registry.environment(record.spec.environment).host?.untilReachable) return;
  const fill = async () => {
    const held = await core.store.hold(crid);
    try {
      const request = { spec: record.spec, layers: record.image?.layers ?? [] };
      await standby.fill({ record, directory: held.directory }, request, core.closing);
    } finally {
      held.release();
    }
  };
  void fill().catch(caught => core.log(`standbys of ${crid}: ${String(caught)}`));
}

/** The checkpoint goes: nothing that was made ready of it is left. */
export async function forgetStandbys(core: Core, record: CheckpointRecord): Promise<void> {
  await standbyOf(core, record)?.forget(record.crid);
}

function standbyOf(core: Core, record: CheckpointRecord): Standby | undefined {
  return mechanismNamed(core, record.spec, record.mechanism)?.standby;
}
