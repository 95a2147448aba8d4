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

/** Such a bar as text. */
export function barOf(done: number, total: number): string {
  const part = Math.min(done / total, 1);
  return `[${'#'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '.')}] ${Math.floor(part * 100)} %`;
}

/** A bar on standard error. */
export function openBar(shell: Shell, what: string): ProgressBar {
  if (!shell.stderr.isTTY || shell.quiet || shell.json) return { at: () => {}, end: () => {} };
  let shownAt = 0;
  return {
    at(done, total) {
      if (Date.now() < shownAt + EVERY_MS && done < total) return;
      shownAt = Date.now();
      shell.stderr.write(`\r\x1b[K${what} ${total > 0 ? barOf(done, total) : done}`);
    },
    end: () => void (shownAt > 0 && shell.stderr.write('\r\x1b[K')),
  };
}
