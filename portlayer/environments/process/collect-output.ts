import type { Readable } from 'node:stream';
import type { Finished, Process } from '../../plugin/host.js';

const maxOutputBytes = 1024 * 1024;

/**
 * Feeds `input` to a process, reads what it says to the end, and waits for it: what `Host.run` is over `Host.spawn`.
 * Output beyond 1 MiB of each stream is read and dropped. Rejects only with the signal's reason, or for a lost link.
 */
export async function collect(
  child: Process,
  options: { readonly input?: string | Uint8Array; readonly signal?: AbortSignal },
): Promise<Finished> {
  child.stdin.on('error', () => {}); // A command need not read its input.
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, exited] = await Promise.all([
    readBounded(child.stdout),
    readBounded(child.stderr),
    child.exited,
  ]);
  options.signal?.throwIfAborted();
  if (exited.cut) throw exited.cut;
  const reason = exited.failure === undefined ? '' : `${exited.failure}\n`;
  return { code: exited.code, stdout: stdout.toString(), stderr: reason + stderr.toString() };
}

async function readBounded(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      const piece = Buffer.from(chunk as Uint8Array);
      if (bytes < maxOutputBytes) chunks.push(piece.subarray(0, maxOutputBytes - bytes));
      bytes += piece.length;
    }
  } catch {
    // A stream that breaks has ended; the exit code tells the rest.
  }
  return Buffer.concat(chunks);
}
