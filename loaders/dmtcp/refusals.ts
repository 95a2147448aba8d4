import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';

/** Nothing in the container is under DMTCP any more. */
export function noPeers(): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'No process of this container can be checkpointed by DMTCP now.', {
    required: 'a dynamically linked program that has begun, and no other checkpoint under way',
    found: 'no process that its coordinator knows and that runs',
    remedy: 'Ask again when the task runs; a task that has executed a static program cannot be kept.',
    facts: { level: 'loader', name: 'dmtcp' },
  });
}

/** The coordinator does not answer: a paused one cannot. */
export function silent(ms: number): PortLayerError {
  return new PortLayerError(
    'QUIESCE_TIMEOUT',
    `The container's DMTCP coordinator did not answer within ${ms} ms.`,
    {
      required: 'a container that is not paused: its own processes write the images',
      found: 'no answer',
      remedy: 'Continue it first, with: portlayer unpause NAME',
    },
  );
}

/** Some process would not be suspended. */
export function notSuspended(ms: number): PortLayerError {
  return new PortLayerError('QUIESCE_TIMEOUT', `The processes could not be suspended within ${ms} ms.`, {
    required: 'every thread reaches a safe point',
    found: 'at least one did not',
    remedy:
      'A process that is just being made, or a blocked checkpoint signal, keeps them; design/mechanisms/dmtcp.md names all. If the container does not run on, restore its newest checkpoint.',
  });
}

/** The images took longer than they may. */
export function tooLong(ms: number): PortLayerError {
  return new PortLayerError('QUIESCE_TIMEOUT', `The images were not written within ${ms} ms.`, {
    required: `images within ${ms} ms`,
    found: 'they were still being written',
    remedy:
      'Ask again, or allow more with dumpMs in the configuration of the loader dmtcp. The container runs on.',
  });
}

/** A process holds what DMTCP could neither keep nor suspend. */
export function holdsBack(pid: string, what: string): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'A process of this container cannot be suspended by DMTCP now.', {
    required: 'no pseudo terminal, and no unix socket to anything that is not under DMTCP',
    found: `process ${pid} inside holds ${what}`,
    remedy:
      'Ask again when it is closed; the loader init with criu keeps more. DMTCP was not asked, and the container runs on.',
    facts: { level: 'loader', name: 'dmtcp', pid },
  });
}
