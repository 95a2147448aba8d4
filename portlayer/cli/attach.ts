import type { ContainerExit, LogEntry } from '../client/client.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import { type Shell, write } from './shell.js';
import { printable } from './table.js';

/**
 * Gives a container's output as it comes and waits for its end. The first Ctrl-C sends SIGINT to the task.
 *
 * @returns the task's exit code; undefined where a second Ctrl-C left it running
 */
export async function attach(shell: Shell, name: string): Promise<number | undefined> {
  const following = new AbortController();
  const leaving = new AbortController();
  let interrupts = 0;
  const stopListening = shell.onInterrupt(() => {
    interrupts++;
    if (interrupts > 1) leaving.abort();
    else {
      shell.complain(`Sent SIGINT to ${name}; Ctrl-C again leaves it running.`);
      shell.client.killContainer(name, 'SIGINT').catch((caught: unknown) => {
        shell.complain(PortLayerError.from(caught).describe());
      });
    }
  });
  const printer = logPrinter(shell);
  const signal = AbortSignal.any([following.signal, leaving.signal]);
  const followed = printer
    .print(shell.client.streamLogs(name, { follow: true }, { signal }))
    .catch(ignoreAbort(signal));
  try {
    const exit = await shell.client.waitContainer(name, { signal: leaving.signal });
    following.abort();
    await followed;
    await printer.printRest(since => shell.client.streamLogs(name, since ? { since } : {}));
    explain(shell, name, exit);
    return exit.code;
  } catch (caught) {
    following.abort();
    await followed;
    if (!leaving.signal.aborted) throw caught;
    shell.complain(`${name} runs on. Follow it with: portlayer logs -f ${name}`);
    return undefined;
  } finally {
    stopListening();
  }
}

/** Prints log entries to the stream they came from, and knows where it is, so that the rest can be fetched without a gap. */
function logPrinter(shell: Shell) {
  let lastAt: Date | undefined;
  let printedAtLast = 0;
  const one = async (entry: LogEntry) => {
    if (lastAt?.getTime() !== entry.at.getTime()) printedAtLast = 0;
    lastAt = entry.at;
    printedAtLast++;
    await write(shell[entry.stream], entry.endsLine ? `${entry.text}\n` : entry.text);
  };
  return {
    async print(entries: AsyncIterable<LogEntry>): Promise<void> {
      for await (const entry of entries) await one(entry);
    },
    /** The entries of that moment which are there already come first, in the same order. */
    async printRest(fetch: (since: Date | undefined) => AsyncIterable<LogEntry>): Promise<void> {
      let skip = printedAtLast;
      for await (const entry of fetch(lastAt)) {
        if (skip > 0) skip--;
        else await one(entry);
      }
    },
  };
}

function ignoreAbort(signal: AbortSignal): (caught: unknown) => void {
  return caught => {
    if (!signal.aborted) throw caught;
  };
}

function explain(shell: Shell, name: string, exit: ContainerExit): void {
  const expected = exit.reason === 'completed' || exit.reason === 'stopped';
  if (exit.message === '' && (expected || exit.reason === 'failed')) return;
  shell.complain(printable(`${name} ${exit.reason}${exit.message ? `: ${exit.message}` : ''}`));
}
