import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { openBar } from '../../progress-bar.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint export`: a committed checkpoint as one file or stream. */
export function exportVerb(context: VerbContext): Command {
  const command = newVerb(
    'export',
    'Write a checkpoint as a tar that is an OCI image layout. It holds its memory: keep it safe.',
  )
    .argument('<checkpoint>')
    .option('-f, --file <file>', 'default: standard output')
    .option('--resume', 'go on where the file ends: an export that was cut short');
  return doing(
    context,
    command,
    (checkpoint: string, options: { file?: string; resume?: boolean }) => async shell => {
      const path = options.file === undefined ? undefined : resolve(shell.cwd, options.file);
      const offset = path !== undefined && options.resume ? await sizeOf(path) : 0;
      const out: Writable =
        path === undefined
          ? process.stdout
          : createWriteStream(path, { flags: offset > 0 ? 'a' : 'w', mode: 0o600 });
      const bar = openBar(shell, 'export');
      let [done, total] = [offset, 0];
      try {
        for await (const { totalBytes, data } of shell.client.exportCheckpoint(checkpoint, offset)) {
          total = totalBytes ?? total;
          done += data.length;
          bar.at(done, total);
          if (data.length > 0 && !out.write(data)) await once(out, 'drain');
        }
        if (path !== undefined) {
          out.end();
          await once(out, 'close');
        }
      } finally {
        bar.end();
      }
      if (path !== undefined) await shell.print(path);
      return 0;
    },
  );
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    found => found.size,
    () => 0,
  );
}
