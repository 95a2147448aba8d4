import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';

/** Runs a command of the host that must succeed; its output. Throws INTERNAL naming the command and what it said. */
export async function mustRun(host: Host, argv: readonly string[], signal?: AbortSignal): Promise<string> {
  const done = await host.run(argv, signal ? { signal } : {});
  if (done.code === 0) return done.stdout;
  throw new PortLayerError('INTERNAL', `A command on the host failed: ${argv.slice(0, 2).join(' ')}`, {
    found: done.stderr.trim().slice(0, 500) || `exit code ${done.code}`,
    remedy: 'See the reason above; "portlayer doctor" checks what the host offers.',
    facts: { command: argv.join(' ').slice(0, 200) },
  });
}
