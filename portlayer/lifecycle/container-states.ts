import type { ContainerState } from '../model/container-record.js';
import type { TransitionTable } from './lifecycle.js';

/** What can happen to a container. */
export type ContainerEvent =
  /** A caller, a loop or a restore wants it to run. */
  | 'start'
  /** The executor has started it. */
  | 'started'
  /** The executor could not start it. */
  | 'start-failed'
  | 'pause'
  | 'unpause'
  /** The task exited X: freeze its layer. */
  | 'iterate'
  /** A caller wants it to end. */
  | 'stop'
  /** The task ended, or is known to be gone. */
  | 'exit'
  | 'remove';

/** A container's whole life. */
export const containerTransitions: TransitionTable<ContainerState, ContainerEvent> = {
  start: { from: ['created', 'exited', 'iterating'], to: 'starting' },
  started: { from: ['starting'], to: 'running' },
  'start-failed': { from: ['starting'], to: 'exited' },
  pause: { from: ['running', 'paused'], to: 'paused' },
  unpause: { from: ['paused', 'running'], to: 'running' },
  iterate: { from: ['starting', 'running', 'paused'], to: 'iterating' },
  stop: { from: ['starting', 'running', 'paused', 'iterating', 'stopping'], to: 'stopping' },
  exit: { from: ['starting', 'running', 'paused', 'iterating', 'stopping'], to: 'exited' },
  remove: { from: ['created', 'exited', 'removing'], to: 'removing' },
};
