import type { Command } from 'commander';
import type { ServeOptions } from '../local-service.js';
import { doingHere, newVerb, type VerbContext } from '../verb.js';

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** `serve`: runs the service in the foreground. */
export function serveVerb(context: VerbContext): Command {
  const command = newVerb('serve', 'Run the service until it is stopped.')
    .option(
      '--state-dir <directory>',
      'default: $PORTLAYER_STATE_DIR, /var/lib/portlayer, or ~/.local/state/portlayer',
    )
    .option('--listen <unix:path>', 'default: portlayer.sock in the state directory')
    .option('--config <file>', 'of plugins, as JSON; default: config.json in the state directory')
    .option('--plugin <module>', 'with an executor or a loader of somebody else’s; can be repeated', collect);
  return doingHere(context, command, async (options: ServeOptions) => {
    const { stateDir, listen, plugin, config } = options;
    const service = await context.surroundings.local();
    await service.serve({
      ...(stateDir && { stateDir }),
      ...(listen && { listen }),
      ...(plugin && { plugin }),
      ...(config && { config }),
    });
    return 0;
  });
}
