import type { CheckRestoreRequest__Output } from '../../proto/types/portlayer/execution/v1/CheckRestoreRequest.js';
import type { CommitCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/CommitCheckpointRequest.js';
import type { GetCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/GetCheckpointRequest.js';
import type { GetCheckpointTreeRequest__Output } from '../../proto/types/portlayer/execution/v1/GetCheckpointTreeRequest.js';
import type { ListCheckpointsRequest__Output } from '../../proto/types/portlayer/execution/v1/ListCheckpointsRequest.js';
import type { ListTargetsRequest__Output } from '../../proto/types/portlayer/execution/v1/ListTargetsRequest.js';
import type { MoveContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/MoveContainerRequest.js';
import type { PlanCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/PlanCheckpointRequest.js';
import type { PublishCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/PublishCheckpointRequest.js';
import type { RemoveCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/RemoveCheckpointRequest.js';
import type { RestoreCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/RestoreCheckpointRequest.js';
import { CHECKPOINT_STATES, type CheckpointRecord } from '../model/checkpoint-record.js';
import type { ConstraintVerdict } from '../model/constraint.js';
import { LEVELS } from '../model/level.js';
import { type ApiContext, unary } from './call.js';
import { given, invalid, optionalText, page, requestId, requiredText, word, wordList } from './from-wire.js';
import {
  constraintPolicy,
  constraintToWire,
  needFromWire,
  targetToWire,
  verdictToWire,
} from './plan-wire.js';
import { checkpointToWire, containerToWire, duration } from './to-wire.js';

/** The checkpoint calls of `Execution` with one answer. */
export function checkpointHandlers(context: ApiContext) {
  const { dispatch } = context;
  const one = async (record: Promise<CheckpointRecord>) => ({ checkpoint: checkpointToWire(await record) });
  return {
    PlanCheckpoint: unary(context, async (request: PlanCheckpointRequest__Output) => {
      const container = requiredText('container', request.container);
      const need = needFromWire(request.need, request.durability);
      const verdicts = await dispatch.planCheckpoint(container, optionalText(request.mechanism), need);
      return { mechanisms: verdicts.map(verdictToWire) };
    }),
    GetCheckpoint: unary(context, (request: GetCheckpointRequest__Output) =>
      one(dispatch.getCheckpoint(requiredText('checkpoint', request.checkpoint))),
    ),
    ListCheckpoints: unary(context, async (request: ListCheckpointsRequest__Output) => {
      const filter = given({
        states: wordList('states', 'CHECKPOINT_STATE_', CHECKPOINT_STATES, request.states),
        level: word('level', 'LEVEL_', LEVELS, request.level),
        mechanism: optionalText(request.mechanism),
        container: optionalText(request.container),
        parent: optionalText(request.parent),
        labels: request.labels,
        // False is "no filter": there is no presence on the wire.
        published: request.published || undefined,
      });
      const found = await dispatch.listCheckpoints(filter, page(request.pageSize, request.pageToken));
      return { checkpoints: found.items.map(checkpointToWire), nextPageToken: found.nextPageToken ?? '' };
    }),
    GetCheckpointTree: unary(context, async (request: GetCheckpointTreeRequest__Output) => {
      const nodes = await dispatch.checkpointTree(
        optionalText(request.root),
        optionalText(request.container),
      );
      return {
        nodes: nodes.map(node => ({
          checkpoint: checkpointToWire(node.checkpoint),
          parentIndex: node.parentIndex,
          containers: [...node.containers],
        })),
      };
    }),
    PublishCheckpoint: unary(context, (request: PublishCheckpointRequest__Output) => {
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      const { reference = '', move = false, immutable, labels, force } = request;
      const more = {
        ...(immutable && { immutable }),
        ...(Object.keys(labels).length > 0 && { labels }),
        ...(force && { force }),
      };
      const options = Object.keys(more).length > 0 ? [more] : [];
      return one(
        dispatch.publishCheckpoint(requestId(request.requestId), checkpoint, reference, move, ...options),
      );
    }),
    RemoveCheckpoint: unary(context, async (request: RemoveCheckpointRequest__Output) => {
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      await dispatch.removeCheckpoint(requestId(request.requestId), checkpoint, request.force ?? false);
      return {};
    }),
    CommitCheckpoint: unary(context, (request: CommitCheckpointRequest__Output) =>
      one(
        dispatch.commitCheckpoint(
          requestId(request.requestId),
          requiredText('checkpoint', request.checkpoint),
        ),
      ),
    ),
    RestoreCheckpoint: unary(context, async (request: RestoreCheckpointRequest__Output, signal) => {
      const inPlace = request.inPlace ?? false;
      const name = optionalText(request.name);
      if (inPlace && name !== undefined) throw invalid('name', 'empty with in_place', name);
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      const constraints = constraintPolicy(request.constraintPolicy);
      const warned: ConstraintVerdict[] = [];
      let fellBackFrom = '';
      const restore = given({
        checkpoint,
        name,
        inPlace,
        labels: request.labels,
        environment: optionalText(request.environment),
        constraints,
        unmet:
          constraints === 'warn'
            ? (verdicts: readonly ConstraintVerdict[]) => void warned.push(...verdicts)
            : undefined,
        fellBack: (damaged: string) => {
          fellBackFrom = damaged;
        },
      });
      const record = await dispatch.restoreCheckpoint(requestId(request.requestId), restore, signal);
      return { container: containerToWire(record), unmet: warned.map(constraintToWire), fellBackFrom };
    }),
    MoveContainer: unary(context, async (request: MoveContainerRequest__Output, signal) => {
      const move = given({
        container: requiredText('name', request.name),
        environment: requiredText('environment', request.environment),
        mechanism: optionalText(request.mechanism),
      });
      const moved = await dispatch.moveContainer(requestId(request.requestId), move, signal);
      const { container, checkpoint, downtimeMs } = moved;
      return { container: containerToWire(container), checkpoint, downtime: duration(downtimeMs) };
    }),
    CheckRestore: unary(context, async (request: CheckRestoreRequest__Output) => {
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      const found = await dispatch.checkRestore(checkpoint, optionalText(request.environment));
      return { report: targetToWire(found) };
    }),
    ListTargets: unary(context, async (request: ListTargetsRequest__Output) => {
      const targets = await dispatch.listTargets(requiredText('checkpoint', request.checkpoint));
      return { targets: targets.map(targetToWire) };
    }),
  };
}
