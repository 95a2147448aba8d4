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
    .option(
      '--listen <address>',
      'unix:PATH[,role=read|operate|restore|admin][,mode=0660][,group=NAME] or tcp:HOST:PORT; can be repeated; default: portlayer.sock in the state directory, for its user alone',
      collect,
    )
    .option(
      '--tls-client-ca <file>',
      'for ports: who signs the certificates of callers; the service’s own are --tls-cert and --tls-key',
    )
    .option(
      '--config <file>',
      'of plugins and environments, as YAML or JSON; default: config.yaml or config.json in the state directory',
    )
    .option('--plugin <module>', 'with an executor or a loader of somebody else’s; can be repeated', collect);
  return doingHere(context, command, async (options: ServeOptions) => {
    const { stateDir, listen, plugin, config, tlsCert, tlsKey, tlsClientCa } = options;
    const service = await context.surroundings.local();
    await service.serve({
      ...(stateDir && { stateDir }),
      ...(listen && { listen }),
      ...(tlsCert && { tlsCert }),
      ...(tlsKey && { tlsKey }),
      ...(tlsClientCa && { tlsClientCa }),
      ...(plugin && { plugin }),
      ...(config && { config }),
    });
    return 0;
  });
}
