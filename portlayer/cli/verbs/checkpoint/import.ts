import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { openBar } from '../../progress-bar.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint import`: takes in what `checkpoint export` wrote. */
export function importVerb(context: VerbContext): Command {
  const command = newVerb(
    'import',
    'Take in an exported checkpoint; it is listed once all of it was checked.',
  ).argument('[file]', 'default: standard input');
  return doing(context, command, (file: string | undefined) => async shell => {
    const bar = openBar(shell, 'import');
    try {
      const source = file === undefined ? shell.stdin : createReadStream(resolve(shell.cwd, file));
      const counted = async function* () {
        let done = 0;
        for await (const chunk of source) {
          done += (chunk as Buffer).length;
          bar.at(done, 0);
          yield chunk as Buffer;
        }
      };
      const checkpoint = await shell.client.importCheckpoint(counted());
      await (shell.json ? shell.printJson(checkpoint) : shell.print(checkpoint.crid));
    } finally {
      bar.end();
    }
    return 0;
  });
}
