import { closeSync, openSync, writeSync } from 'node:fs';

/** One line of the audit: who did what to what, with which outcome, and why. */
export interface AuditEntry {
  /** `api`, `guest NAME`, `service`. */
  readonly who: string;
  /** `CreateContainer`, `trigger`, `recover`, … */
  readonly what: string;
  /** The container's name, or the checkpoint's CRID. */
  readonly on: string;
  readonly outcome: 'allowed' | 'refused' | 'failed';
  readonly why?: string;
}

/** Append-only, one JSON object on each line, readable by the service's user alone. */
export interface Audit {
  record(entry: AuditEntry): void;
  close(): void;
}

/** Opens the audit at `path`. A line that cannot be written (a full disk) is dropped and told to `log`, once until one can. */
export function openAudit(path: string, log: (message: string) => void): Audit {
  const file = openSync(path, 'a', 0o600);
  let dropped = 0;
  return {
    record(entry) {
      const line = {
        at: new Date().toISOString(),
        ...entry,
        ...(dropped > 0 ? { droppedBefore: dropped } : {}),
      };
      try {
        writeSync(file, `${JSON.stringify(line)}\n`);
        dropped = 0;
      } catch (caught) {
        if (dropped === 0) log(`audit: ${caught instanceof Error ? caught.message : String(caught)}`);
        dropped += 1;
      }
    },
    close() {
      closeSync(file);
    },
  };
}
