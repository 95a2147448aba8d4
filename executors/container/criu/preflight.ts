import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Task } from './tasks.js';

/** Throws WRONG_STATE for a task that SIGSTOP or a debugger has stopped: CRIU would hang on it in the freezer, beyond its own time limit. */
export function refuseStopped(tasks: readonly Task[]): void {
  const stopped = tasks.filter(task => task.state === 'T' || task.state === 't');
  if (stopped.length === 0) return;
  const named = stopped.map(task => `${task.name} (pid ${task.inner} inside, ${task.pid} on the host)`);
  throw new PortLayerError(
    'WRONG_STATE',
    'A process in the container is stopped, so it cannot be checkpointed.',
    {
      required: 'no process stopped by SIGSTOP or a debugger',
      found: named.join(', ').slice(0, 500),
      remedy: 'Continue it (kill -CONT) or end it, and ask again.',
      facts: { blocker: 'a stopped process', pids: stopped.map(task => task.pid).join(',') },
    },
  );
}
