import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/** What a monitor is to watch over. */
export interface MonitorStart {
  /** The container's directory on the host; exists. */
  readonly directory: string;
  readonly log: { readonly maxBytes: number; readonly maxFiles: number };
  /** Cgroup directories that the command enters before it is executed. */
  readonly cgroups: readonly string[];
  /** The memory cgroup that the container is in, or will be once it is limited: what the kernel kills there is told. */
  readonly memoryGroup?: string;
  /** Where the command only starts the container and ends (`runc --detach`): the file into which it writes the init's pid. */
  readonly pidFile?: string;
  /** The command: absolute program, then arguments. It ends in the init. */
  readonly command: readonly string[];
  /** The command's whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Starts a monitor and through it a container. Resolves when the monitor listens and its command was executed;
 * from then on it lives without the service. Throws EXECUTOR_UNAVAILABLE where it could not, with nothing left behind.
 */
export async function startMonitor(host: Host, start: MonitorStart, signal: AbortSignal): Promise<void> {
  const done = await host.run(
    [
      host.initBinary,
      'monitor',
      '--dir',
      start.directory,
      '--log-max-bytes',
      String(start.log.maxBytes),
      '--log-files',
      String(start.log.maxFiles),
      ...start.cgroups.flatMap(directory => ['--cgroup', directory]),
      ...(start.memoryGroup === undefined ? [] : ['--memory-group', start.memoryGroup]),
      ...(start.pidFile === undefined ? [] : ['--pid-file', start.pidFile]),
      '--',
      ...start.command,
    ],
    { env: start.env, signal },
  );
  if (done.code === 0) return;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The container could not be started on its host.', {
    required: 'a monitor that starts',
    found: done.stderr.trim().slice(0, 500) || `exit code ${done.code}`,
    remedy: 'See the reason above; "portlayer doctor" checks what the host offers.',
    facts: { host: host.name },
  });
}
