import { PortLayerError } from '../errors/port-layer-error.js';
import type { Shell } from './shell.js';

/**
 * Does the same to each name, as docker does: prints the name of each one that worked, complains of each one that
 * failed and goes on. As JSON: one array of what `act` gave. The exit code is 1 where any failed.
 */
export async function forEachName(
  shell: Shell,
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
): Promise<number> {
  const done: unknown[] = [];
  let failed = false;
  for (const name of names) {
    try {
      const result = await act(name);
      if (shell.json) done.push(result ?? { name });
      else await shell.print(name);
    } catch (caught) {
      failed = true;
      shell.complain(PortLayerError.from(caught).describe());
    }
  }
  if (shell.json) await shell.printJson(done);
  return failed ? 1 : 0;
}
