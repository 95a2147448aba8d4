import type { ExecutionDefinition } from '../../proto/types/portlayer/execution/v1/Execution.js';
import type { CallOptions, Channel } from './channel.js';
import type { Checkpoint } from './checkpoints.js';
import { type MutatingOptions, requestIdOf } from './container-calls.js';
import { checkpointOf } from './from-wire.js';
import { durationOf } from './to-wire.js';

/** What the verification of one checkpoint came to. */
export interface ImageVerdict {
  readonly crid: string;
  /** Absent where it is whole. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Bytes of data read for it; what it shares with one before it is read once. */
  readonly bytes: number;
  readonly done: number;
  readonly total: number;
}

/** A copy that is started from a checkpoint to see whether it runs, and removed. */
export interface RestoreDrill {
  /** It must stay up, or end well, for so long. */
  readonly restoreForMs: number;
  /** A command run inside it; it must end with 0. */
  readonly probe?: readonly string[];
}

/** One thing that a collection frees, or would. */
export interface Garbage {
  readonly kind: string;
  readonly id: string;
  readonly bytes: number;
}

/** A file that two checkpoints do not have alike. */
export interface FileDifference {
  readonly path: string;
  readonly kind: string;
  readonly fromBytes: number;
  readonly toBytes: number;
  readonly changedBytes: number;
}

/** How far a long work on an image is, or, as the last, the checkpoint. */
export type ImageStep =
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint };

/** The calls on images. */
export interface ImageCalls {
  /** A pinned checkpoint is taken by no retention and removed only with force. */
  pinCheckpoint(checkpoint: string, pinned: boolean, options?: MutatingOptions): Promise<Checkpoint>;
  /** Folds its chain: its image needs no other afterwards. */
  coalesceCheckpoint(checkpoint: string, options?: MutatingOptions): AsyncIterable<ImageStep>;
  /** Checks one committed checkpoint, or all; with `drill` a copy of each is started too. */
  verifyCheckpoint(
    checkpoint: string | undefined,
    drill?: RestoreDrill,
    options?: CallOptions,
  ): AsyncIterable<ImageVerdict>;
  /** Frees what no checkpoint needs, or only tells. `copies`: also what committed images hold too. */
  collectGarbage(
    wanted?: { readonly dryRun?: boolean; readonly copies?: boolean },
    options?: CallOptions,
  ): AsyncIterable<Garbage>;
  diffCheckpoints(from: string, to: string, options?: CallOptions): Promise<readonly FileDifference[]>;
  /** A committed checkpoint as one archive; the first piece tells how long it is. `offset`: where to go on. */
  exportCheckpoint(
    checkpoint: string,
    offset?: number,
    options?: CallOptions,
  ): AsyncIterable<{ readonly totalBytes?: number; readonly data: Buffer }>;
  importCheckpoint(data: AsyncIterable<Buffer>, options?: CallOptions): Promise<Checkpoint>;
}

/** A message of gRPC holds 4 MiB. */
const MOST_BYTES = 1024 * 1024;

/** The image calls over one channel. */
export function imageCalls(channel: Channel, api: ExecutionDefinition): ImageCalls {
  return {
    async pinCheckpoint(checkpoint, pinned, options) {
      const request = { ...requestIdOf(options), checkpoint, unpin: !pinned };
      return checkpointOf((await channel.unary(api.PinCheckpoint, request, options)).checkpoint);
    },
    async *coalesceCheckpoint(checkpoint, options) {
      const request = { ...requestIdOf(options), checkpoint };
      for await (const step of channel.streaming(api.CoalesceCheckpoint, request, options)) {
        if (step.checkpoint) yield { kind: 'checkpoint', checkpoint: checkpointOf(step.checkpoint) };
        else {
          const { doneBytes = 0, totalBytes = 0 } = step.progress ?? {};
          yield { kind: 'progress', doneBytes, totalBytes };
        }
      }
    },
    async *verifyCheckpoint(checkpoint, drill, options) {
      const request = {
        checkpoint: checkpoint ?? '',
        ...(drill && { restoreFor: durationOf(drill.restoreForMs), probe: [...(drill.probe ?? [])] }),
      };
      for await (const verdict of channel.streaming(api.VerifyCheckpoint, request, options)) {
        const { crid = '', code, message = '', bytes = 0, done = 0, total = 0 } = verdict;
        yield { crid, bytes, done, total, ...(code && { error: { code, message } }) };
      }
    },
    async *collectGarbage(wanted = {}, options) {
      for await (const found of channel.streaming(api.CollectGarbage, wanted, options)) {
        const { kind = '', id = '', bytes = 0 } = found;
        yield { kind, id, bytes };
      }
    },
    async diffCheckpoints(from, to, options) {
      const { files } = await channel.unary(api.DiffCheckpoints, { from, to }, options);
      return files.map(({ path = '', kind = '', fromBytes = 0, toBytes = 0, changedBytes = 0 }) => ({
        path,
        kind,
        fromBytes,
        toBytes,
        changedBytes,
      }));
    },
    async *exportCheckpoint(checkpoint, offset = 0, options) {
      for await (const piece of channel.streaming(api.ExportCheckpoint, { checkpoint, offset }, options)) {
        const data = Buffer.from(piece.data ?? []);
        yield piece.totalBytes ? { totalBytes: piece.totalBytes, data } : { data };
      }
    },
    async importCheckpoint(data, options) {
      const requests = async function* () {
        for await (const chunk of data)
          for (let at = 0; at < chunk.length; at += MOST_BYTES)
            yield { data: chunk.subarray(at, at + MOST_BYTES) };
      };
      let imported: Checkpoint | undefined;
      for await (const { checkpoint } of channel.duplex(api.ImportCheckpoint, requests(), options))
        if (checkpoint) imported = checkpointOf(checkpoint);
      if (imported) return imported;
      throw new Error('the service ended the import without a checkpoint');
    },
  };
}
