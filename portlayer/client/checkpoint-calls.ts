import type { CheckpointState as WireState } from '../../proto/types/portlayer/execution/v1/CheckpointState.js';
import type { ExecutionDefinition } from '../../proto/types/portlayer/execution/v1/Execution.js';
import type { CallOptions, Channel } from './channel.js';
import type {
  Checkpoint,
  CheckpointNode,
  CheckpointOptions,
  CheckpointQuery,
  CheckpointState,
  CheckpointStep,
  ConstraintPolicy,
  ForkOptions,
  ForkOutcome,
  ForkSource,
  Moved,
  PublishOptions,
  RestoreOptions,
  TargetReport,
} from './checkpoints.js';
import { type MutatingOptions, requestIdOf } from './container-calls.js';
import type { Container, Page } from './containers.js';
import { checkpointOf, containerOf, dateOf, msOf, wordOf } from './from-wire.js';
import type { MechanismChoice } from './levels.js';
import { choiceOf, constraintVerdictOf, needToWire, targetOf } from './plan-wire.js';
import { enumOf } from './to-wire.js';

/** The calls on checkpoints. Wherever one is named: its CRID, a unique prefix of at least 8 characters, or a published `name:tag`. */
export interface CheckpointCalls {
  /** Each state as it is entered, then the checkpoint. Aborting cancels the checkpoint. */
  createCheckpoint(
    container: string,
    wanted?: CheckpointOptions,
    options?: MutatingOptions,
  ): AsyncIterable<CheckpointStep>;
  /** What `createCheckpoint` with the same wishes would use, and why not the others; none is chosen where none fits. */
  planCheckpoint(
    container: string,
    wanted?: Pick<CheckpointOptions, 'mechanism' | 'durability' | 'need'>,
    options?: CallOptions,
  ): Promise<readonly MechanismChoice[]>;
  getCheckpoint(checkpoint: string, options?: CallOptions): Promise<Checkpoint>;
  listCheckpoints(query?: CheckpointQuery, options?: CallOptions): Promise<Page<Checkpoint>>;
  /** The lineage below `root`, or all of it; parents before their children. */
  getCheckpointTree(
    query?: { root?: string; container?: string },
    options?: CallOptions,
  ): Promise<readonly CheckpointNode[]>;
  /** Names it `name:tag`; an empty reference takes that back. `move` takes the name from the checkpoint that has it. */
  publishCheckpoint(
    checkpoint: string,
    reference: string,
    options?: MutatingOptions & PublishOptions,
  ): Promise<Checkpoint>;
  /** Of an absent one: success. `force`: also a published one. */
  removeCheckpoint(checkpoint: string, options?: MutatingOptions & { force?: boolean }): Promise<void>;
  /** Resolves when it is durable. */
  commitCheckpoint(checkpoint: string, options?: MutatingOptions): Promise<Checkpoint>;
  restoreCheckpoint(
    checkpoint: string,
    wanted?: RestoreOptions,
    options?: MutatingOptions,
  ): Promise<Container>;
  /** Its constraints held against an environment, its own by default. Starts nothing. */
  checkRestore(checkpoint: string, environment?: string, options?: CallOptions): Promise<TargetReport>;
  /** The same for every environment. */
  listTargets(checkpoint: string, options?: CallOptions): Promise<readonly TargetReport[]>;
  /** Takes a running container to another environment; on any failure it runs on where it was. */
  moveContainer(
    name: string,
    environment: string,
    options?: MutatingOptions & { mechanism?: string },
  ): Promise<Moved>;
  /** Each copy as it is ready or has failed. */
  fork(source: ForkSource, wanted?: ForkOptions, options?: MutatingOptions): AsyncIterable<ForkOutcome>;
}

/** The checkpoint calls over one channel. */
export function checkpointCalls(channel: Channel, api: ExecutionDefinition): CheckpointCalls {
  const one = async (answer: Promise<{ checkpoint?: Parameters<typeof checkpointOf>[0] }>) =>
    checkpointOf((await answer).checkpoint);
  return {
    async *createCheckpoint(container, wanted = {}, options) {
      const { durability, labels = {}, need, ...same } = wanted;
      const request = {
        ...requestIdOf(options),
        ...same,
        container,
        labels: { ...labels },
        ...(durability && { durability: enumOf<'DURABILITY_COMMITTED'>('DURABILITY_', durability) }),
        ...(need && { need: needToWire(need) }),
      };
      for await (const { progress, checkpoint } of channel.streaming(
        api.CreateCheckpoint,
        request,
        options,
      )) {
        if (checkpoint) yield { kind: 'checkpoint', checkpoint: checkpointOf(checkpoint) };
        else {
          const state = wordOf<CheckpointState>('CHECKPOINT_STATE_', progress?.state);
          const { crid = '', at, doneBytes = 0, totalBytes = 0 } = progress ?? {};
          const written = totalBytes > 0 ? { written: { doneBytes, totalBytes } } : {};
          yield { kind: 'progress', crid, state, at: dateOf(at), ...written };
        }
      }
    },
    async planCheckpoint(container, wanted = {}, options) {
      const { mechanism, durability, need } = wanted;
      const request = {
        container,
        ...(mechanism !== undefined && { mechanism }),
        ...(durability && { durability: enumOf<'DURABILITY_COMMITTED'>('DURABILITY_', durability) }),
        ...(need && { need: needToWire(need) }),
      };
      return (await channel.unary(api.PlanCheckpoint, request, options)).mechanisms.map(choiceOf);
    },
    getCheckpoint: (checkpoint, options) => one(channel.unary(api.GetCheckpoint, { checkpoint }, options)),
    async listCheckpoints(query = {}, options) {
      const { states = [], level, labels = {}, ...same } = query;
      const request = {
        ...same,
        labels: { ...labels },
        states: states.map(state => enumOf<WireState>('CHECKPOINT_STATE_', state)),
        ...(level && { level: enumOf<'LEVEL_TASK'>('LEVEL_', level) }),
      };
      const page = await channel.unary(api.ListCheckpoints, request, options);
      const { nextPageToken } = page;
      return { items: page.checkpoints.map(checkpointOf), ...(nextPageToken && { nextPageToken }) };
    },
    async getCheckpointTree(query = {}, options) {
      const { nodes } = await channel.unary(api.GetCheckpointTree, query, options);
      return nodes.map(({ checkpoint, parentIndex = 0, containers }) => ({
        checkpoint: checkpointOf(checkpoint),
        parentIndex,
        containers,
      }));
    },
    publishCheckpoint: (checkpoint, reference, options = {}) => {
      const { move = false, immutable = false, force = false, labels = {} } = options;
      const how = { move, immutable, force, labels: { ...labels } };
      const request = { ...requestIdOf(options), checkpoint, reference, ...how };
      return one(channel.unary(api.PublishCheckpoint, request, options));
    },
    async removeCheckpoint(checkpoint, options = {}) {
      const force = options.force ?? false;
      await channel.unary(api.RemoveCheckpoint, { ...requestIdOf(options), checkpoint, force }, options);
    },
    commitCheckpoint: (checkpoint, options) =>
      one(channel.unary(api.CommitCheckpoint, { ...requestIdOf(options), checkpoint }, options)),
    async restoreCheckpoint(checkpoint, wanted = {}, options) {
      const { unmet, fellBack, constraintPolicy, labels, ...same } = wanted;
      const request = {
        ...requestIdOf(options),
        ...same,
        ...policyOf(constraintPolicy),
        labels: { ...labels },
        checkpoint,
      };
      const answer = await channel.unary(api.RestoreCheckpoint, request, options);
      if (answer.fellBackFrom) fellBack?.(answer.fellBackFrom);
      if (answer.unmet.length > 0) unmet?.(answer.unmet.map(constraintVerdictOf));
      return containerOf(answer.container);
    },
    async checkRestore(checkpoint, environment, options) {
      const request = { checkpoint, environment: environment ?? '' };
      return targetOf((await channel.unary(api.CheckRestore, request, options)).report);
    },
    async listTargets(checkpoint, options) {
      return (await channel.unary(api.ListTargets, { checkpoint }, options)).targets.map(targetOf);
    },
    async moveContainer(name, environment, options) {
      const request = {
        ...requestIdOf(options),
        name,
        environment,
        mechanism: options?.mechanism ?? '',
      };
      const { container, checkpoint, downtime } = await channel.unary(api.MoveContainer, request, options);
      return {
        container: containerOf(container),
        checkpoint: checkpoint ?? '',
        downtimeMs: msOf(downtime ?? undefined) ?? 0,
      };
    },
    async *fork(source, wanted = {}, options) {
      const { constraintPolicy, labels, ...same } = wanted;
      const policy = policyOf(constraintPolicy);
      const request = { ...requestIdOf(options), ...same, ...policy, labels: { ...labels }, ...source };
      for await (const { index = 0, container, failure } of channel.streaming(api.Fork, request, options)) {
        if (container) yield { index, container: containerOf(container) };
        else {
          const { name = '', code = '', message = '', remedy = '' } = failure ?? {};
          yield { index, failure: { name, code, message, remedy } };
        }
      }
    },
  };
}

function policyOf(policy: ConstraintPolicy | undefined) {
  if (!policy) return {};
  return { constraintPolicy: enumOf<'CONSTRAINT_POLICY_WARN'>('CONSTRAINT_POLICY_', policy) };
}
