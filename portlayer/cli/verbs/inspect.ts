import type { Command } from 'commander';
import type { Checkpoint, Container } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Shell } from '../shell.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `inspect`: everything known of a container or a checkpoint, as JSON. */
export function inspectVerb(context: VerbContext): Command {
  const command = newVerb('inspect', 'Show everything of a container or a checkpoint, as JSON.').argument(
    '<name>',
  );
  return doing(context, command, (name: string) => async shell => {
    await shell.printJson(await find(shell, name));
    return 0;
  });
}

/** A container of that name wins over a checkpoint. */
async function find(shell: Shell, name: string): Promise<Container | Checkpoint> {
  if (name.includes(':')) return shell.client.getCheckpoint(name);
  try {
    return await shell.client.getContainer(name);
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'NOT_FOUND') throw caught;
    return shell.client.getCheckpoint(name).catch(() => {
      throw caught;
    });
  }
}
