import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host, Process } from '../../plugin/host.js';

/** One thing on one host. */
export interface Place {
  readonly host: Host;
  /** Absolute. */
  readonly path: string;
}

/** Told the bytes that have gone over, as they go. */
export type Carried = (bytes: number) => void;

/**
 * Carries a directory from one host into the new directory of another, through this machine, with modes, owners, times
 * to the nanosecond and holes; nothing of a file's holes is sent. Both sides are digested: what arrived is what was
 * there. On failure nothing is left at the target. Throws STORE_FULL, CHECKPOINT_CORRUPT, EXECUTOR_UNAVAILABLE.
 */
export async function carryDirectory(
  from: Place,
  to: Place,
  signal: AbortSignal,
  carried: Carried = () => {},
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await carryOnce(from, to, signal, carried);
    } catch (caught) {
      // A helper of a dump that ends a moment later may still write its log: tar says so, or the digests do.
      const again =
        caught instanceof PortLayerError && ['INTERNAL', 'CHECKPOINT_CORRUPT'].includes(caught.code);
      if (!again || tries === TRIES || signal.aborted) throw caught;
      await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1), undefined, { signal });
    }
  }
}

const TRIES = 5;
const FIRST_PAUSE_MS = 100;

async function carryOnce(from: Place, to: Place, signal: AbortSignal, carried: Carried): Promise<void> {
  const partial = `${to.path}.partial`;
  await to.host.files.remove(partial);
  await to.host.files.makeDirectory(partial, 0o700);
  try {
    const digested = from.host.files.digestTree(from.path, signal);
    digested.catch(() => {});
    await stream(
      from.host.spawn(
        ['tar', '--create', '--format=posix', '--sparse', '--numeric-owner', '-C', from.path, '.'],
        {
          signal,
        },
      ),
      to.host.spawn(['tar', '--extract', '--preserve-permissions', '--numeric-owner', '-C', partial], {
        signal,
      }),
      carried,
    );
    const [there, here] = await Promise.all([to.host.files.digestTree(partial, signal), digested]);
    if (there.digest !== here.digest) throw changed(from.path, here.digest, there.digest);
    await to.host.files.syncTree(partial, signal);
    await to.host.files.rename(partial, to.path);
  } catch (caught) {
    await to.host.files.remove(partial).catch(() => {});
    throw caught;
  }
}

/** Carries one file into a new one, the same way. */
export async function carryFile(
  from: Place,
  to: Place,
  signal: AbortSignal,
  carried: Carried = () => {},
): Promise<void> {
  try {
    const sum = digestOf(from, signal);
    sum.catch(() => {});
    await stream(
      from.host.spawn(['cat', '--', from.path], { signal }),
      to.host.spawn(['dd', `of=${to.path}`, 'bs=1M', 'iflag=fullblock', 'conv=sparse,fsync', 'status=none'], {
        signal,
      }),
      carried,
    );
    const [there, here] = await Promise.all([digestOf(to, signal), sum]);
    if (there !== here) throw changed(from.path, here, there);
  } catch (caught) {
    await to.host.files.remove(to.path).catch(() => {});
    throw caught;
  }
}

async function digestOf({ host, path }: Place, signal: AbortSignal): Promise<string> {
  const done = await host.run(['sha256sum', '--', path], { signal });
  const [sum = ''] = done.stdout.replace(/^\\/, '').split(' ');
  if (done.code === 0) return sum;
  throw failed(done.stderr, path);
}

/** What one process says becomes what another hears; both must end well. */
async function stream(source: Process, sink: Process, carried: Carried): Promise<void> {
  source.stdin.end();
  source.stdout.on('data', (chunk: Buffer) => carried(chunk.length));
  const said = { stderr: '' };
  for (const { stderr } of [source, sink])
    stderr.on('data', (chunk: Buffer) => {
      said.stderr = (said.stderr + chunk.toString()).slice(0, 4000);
    });
  sink.stdout.resume();
  const piped = pipeline(source.stdout, sink.stdin).catch((caught: unknown) => caught);
  const [sent, received] = await Promise.all([
    source.exited,
    sink.exited.then(end => {
      // A receiver that gave up must not leave the sender waiting.
      if (end.code !== 0) source.kill('SIGKILL');
      return end;
    }),
    piped,
  ]);
  const lost = received.cut ?? sent.cut;
  if (lost) throw lost;
  if (received.code !== 0 || sent.code !== 0)
    throw failed(said.stderr, `exit codes ${sent.code}, ${received.code}`);
}

function failed(stderr: string, otherwise: string): PortLayerError {
  const noRoom = /No space left|Disk quota/.test(stderr);
  return new PortLayerError(
    noRoom ? 'STORE_FULL' : 'INTERNAL',
    'An image could not be carried to another host.',
    {
      found: stderr.trim().slice(0, 500) || otherwise,
      remedy: noRoom ? 'Free space on that host and repeat the call.' : 'Repeat the call.',
    },
  );
}

function changed(path: string, required: string, found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', `What arrived is not what was sent: ${path}.`, {
    required,
    found,
    remedy: 'Repeat the call. Nothing was kept of it.',
  });
}
