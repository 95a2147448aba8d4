import type { CheckpointState } from '../model/checkpoint-record.js';
import type { TransitionTable } from './lifecycle.js';

/** What can happen to a checkpoint. */
export type CheckpointEvent =
  | 'quiesce'
  | 'dump'
  | 'capture'
  | 'commit'
  /** The store refused (no room): it stays captured and is tried again. */
  | 'commit-failed'
  | 'committed'
  | 'fail'
  | 'remove';

/** A checkpoint's whole life. */
export const checkpointTransitions: TransitionTable<CheckpointState, CheckpointEvent> = {
  quiesce: { from: ['requested'], to: 'quiescing' },
  dump: { from: ['requested', 'quiescing', 'dumping'], to: 'dumping' },
  capture: { from: ['dumping'], to: 'captured' },
  commit: { from: ['captured', 'committing'], to: 'committing' },
  committed: { from: ['committing'], to: 'committed' },
  'commit-failed': { from: ['committing'], to: 'captured' },
  fail: { from: ['requested', 'quiescing', 'dumping'], to: 'failed' },
  remove: { from: ['captured', 'committing', 'committed', 'failed', 'removed'], to: 'removed' },
};
