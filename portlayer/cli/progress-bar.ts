import type { Shell } from './shell.js';

/** How far something is, on a terminal; nothing anywhere else. */
export interface ProgressBar {
  /** `total` 0: nobody knows. */
  at(done: number, total: number): void;
  end(): void;
}

const WIDTH = 30;
/** Terminals are slow, and nobody reads faster. */
const EVERY_MS = 100;

/** A bar on standard error. */
export function openBar(shell: Shell, what: string): ProgressBar {
  if (!shell.stderr.isTTY || shell.quiet || shell.json) return { at: () => {}, end: () => {} };
  let shownAt = 0;
  return {
    at(done, total) {
      if (Date.now() < shownAt + EVERY_MS && done < total) return;
      shownAt = Date.now();
      const part = total > 0 ? Math.min(done / total, 1) : 0;
      const bar = '#'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '.');
      const text = total > 0 ? `[${bar}] ${Math.floor(part * 100)} %` : String(done);
      shell.stderr.write(`\r\x1b[K${what} ${text}`);
    },
    end: () => void (shownAt > 0 && shell.stderr.write('\r\x1b[K')),
  };
}
