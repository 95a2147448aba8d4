import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { advance, permits } from '../lifecycle/lifecycle.js';
import { CHECKPOINT_STATES, type CheckpointRecord } from '../model/checkpoint-record.js';
import { checkReference } from '../model/ids.js';
import type { Calls } from './calls.js';
import { isEphemeral, mechanismNamed } from './choose-mechanism.js';
import type { Committer } from './committer.js';
import { type Core, executorOf } from './core.js';
import { createCheckpoint } from './create-checkpoint.js';
import type { Dispatch } from './dispatch.js';
import { dropUnusedLayers } from './drop-layers.js';
import { findCheckpoint } from './find.js';
import { dropCopies } from './image-travel.js';
import { lineage } from './lineage.js';
import { pageOf, readToken } from './paging.js';
import { publish } from './publish.js';
import type { Runs } from './runs.js';
import { forgetSecrets } from './secrets.js';
import { forgetStandbys } from './standbys.js';

type CheckpointCalls =
  | 'createCheckpoint'
  | 'getCheckpoint'
  | 'listCheckpoints'
  | 'checkpointTree'
  | 'publishCheckpoint'
  | 'removeCheckpoint'
  | 'commitCheckpoint';

/** The calls on checkpoints, but for those that make containers. */
export function checkpointCalls(
  core: Core,
  calls: Calls,
  runs: Runs,
  committer: Committer,
): Pick<Dispatch, CheckpointCalls> {
  return {
    createCheckpoint: (requestId, request, progress, signal) =>
      calls.once(requestId, 'CreateCheckpoint', request, async () => {
        let crid: string | undefined;
        let unwatchBytes = (): void => {};
        const unwatch = core.ledger.watch(event => {
          if (event.subject !== 'checkpoint' || event.id !== crid) return;
          const state = CHECKPOINT_STATES.find(s => s === event.type);
          if (state) progress({ crid: event.id, state, atMs: event.atMs });
        });
        try {
          const begun = (id: string): void => {
            crid = id;
            unwatchBytes = committer.watch(id, (doneBytes, totalBytes) =>
              progress({
                crid: id,
                state: 'committing',
                atMs: Date.now(),
                written: { doneBytes, totalBytes },
              }),
            );
            progress({ crid: id, state: 'requested', atMs: Date.now() });
          };
          const captured = await createCheckpoint({ core, runs, committer }, request, begun, signal);
          const asItIs = request.durability === 'captured' || isEphemeral(core, captured);
          return asItIs ? captured : await committer.commit(captured.crid);
        } finally {
          unwatch();
          unwatchBytes();
        }
      }),

    getCheckpoint: async checkpoint => findCheckpoint(core, checkpoint),

    async listCheckpoints(filter, page) {
      const after = readToken(page.token);
      const { states = CHECKPOINT_STATES.filter(s => s !== 'failed' && s !== 'removed'), ...rest } = filter;
      return pageOf(
        core.catalog.checkpoints({
          ...rest,
          states,
          limit: page.size,
          ...(after === undefined ? {} : { after }),
        }),
      );
    },

    checkpointTree: async (root, container) => lineage(core, root, container),

    publishCheckpoint: (requestId, checkpoint, reference, move, more = {}) =>
      calls.once(requestId, 'PublishCheckpoint', { checkpoint, reference, move, ...more }, () => {
        if (reference !== '') checkReference('reference', reference);
        const { crid } = findCheckpoint(core, checkpoint);
        return core.locks.run(crid, 'publish', () => publish(core, crid, reference, { ...more, move }));
      }),

    removeCheckpoint: (requestId, checkpoint, force) =>
      calls.once(requestId, 'RemoveCheckpoint', { checkpoint, force }, async () => {
        const record = findOrGone(core, checkpoint);
        if (!record) return;
        await core.reserve.use(() =>
          core.locks.run(record.crid, 'remove', () => remove(core, record.crid, force)),
        );
        core.reserve.refill();
      }),

    commitCheckpoint: (requestId, checkpoint) =>
      calls.once(requestId, 'CommitCheckpoint', { checkpoint }, () =>
        committer.commit(findCheckpoint(core, checkpoint).crid),
      ),
  };
}

/** Marks it removed, then removes manifest, image and layers, then the record: what is cut short, recovery finishes. */
export async function remove(core: Core, crid: string, force: boolean): Promise<void> {
  const record = core.catalog.checkpoint(crid);
  if (!record) return;
  if (record.published !== undefined && !force && record.state !== 'removed') {
    throw new PortLayerError('WRONG_STATE', `Checkpoint ${crid} is published as ${record.published}.`, {
      required: 'an unpublished checkpoint, or force',
      found: record.published,
      remedy: 'Take the name back (portlayer checkpoint unpublish) or remove it with --force.',
      facts: { crid, published: record.published },
    });
  }
  if (record.pinned && !force && record.state !== 'removed') {
    throw new PortLayerError('WRONG_STATE', `Checkpoint ${crid} is pinned.`, {
      required: 'a checkpoint that is not pinned, or force',
      found: 'pinned',
      remedy: 'Take the pin away (portlayer checkpoint pin --off) or remove it with --force.',
      facts: { crid },
    });
  }
  if (!permits(checkpointTransitions, record.state, 'remove'))
    advance(checkpointTransitions, `checkpoint ${crid}`, record.state, 'remove');
  const { published: _, ...kept } = record;
  const children = core.catalog.checkpoints({
    states: CHECKPOINT_STATES,
    parent: crid,
    limit: 1_000_000,
  }).items;
  core.ledger.write(
    { checkpoint: { ...kept, state: 'removed' }, type: 'removing' },
    // The lineage closes over the gap.
    ...children.map(child => ({ checkpoint: reparented(child, record.parent), type: 'reparented' })),
  );
  await forgetStandbys(core, record);
  await mechanismNamed(core, record.spec, record.mechanism)?.keeping?.forget(crid);
  await core.store.remove(crid, core.catalog.dataIsUsed(crid));
  await dropCopies(core, crid);
  await core.locks.run(
    layersOf(crid),
    'remove',
    () => dropUnusedLayers(core, record.spec, record.image?.layers ?? []),
    Infinity,
  );
  if (record.state === 'failed')
    await executorOf(core, record.spec)
      .disk.remove(crid)
      .catch(() => {});
  for (const source of record.image?.sources ?? []) await dropUnusedData(core, source);
  core.ledger.write({ dropCheckpoint: record });
  await forgetSecrets(core, record.containerUid, record.spec);
}

/** Removes the data of a checkpoint that was removed before, where nobody points into it any more. */
export async function dropUnusedData(core: Core, crid: string): Promise<void> {
  if (core.catalog.checkpoint(crid) || core.catalog.dataIsUsed(crid)) return;
  await core.store.remove(crid, false);
}

/** The lock on what a checkpoint's restore stacks: apart from the checkpoint's own, which a long commit may hold. */
export function layersOf(crid: string): string {
  return `layers of ${crid}`;
}

function reparented(child: CheckpointRecord, parent: string | undefined): CheckpointRecord {
  const { parent: _, ...rest } = child;
  return parent === undefined ? rest : { ...rest, parent };
}

function findOrGone(core: Core, checkpoint: string): CheckpointRecord | undefined {
  try {
    return findCheckpoint(core, checkpoint);
  } catch (caught) {
    if (PortLayerError.from(caught).code === 'NOT_FOUND') return undefined;
    throw caught;
  }
}
