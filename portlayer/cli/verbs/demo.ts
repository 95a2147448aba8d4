import type { Command } from 'commander';
import { doingHere, newVerb, type VerbContext } from '../verb.js';

/** `demo`: shows on this host what the port layer does. */
export function demoVerb(context: VerbContext): Command {
  const command = newVerb('demo', 'Show on this host what the port layer does.')
    .argument('[args...]')
    .allowUnknownOption()
    .passThroughOptions();
  return doingHere(context, command, async (args: string[]) =>
    (await context.surroundings.local()).demo(args),
  );
}
