import Database from 'better-sqlite3';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { Catalog } from './catalog.js';
import { checkpointTable } from './checkpoint-table.js';
import { containerTable } from './container-table.js';
import { eventTable } from './event-table.js';
import { SCHEMA, SCHEMA_VERSION } from './schema.js';

/** How many events are kept. */
const KEPT_EVENTS = 100_000;
/** How long a call's result is remembered, in milliseconds. */
const KEPT_CALLS_MS = 24 * 3600 * 1000;
/** How long to wait for another service to let go, in milliseconds: one that was just killed does so at once. */
const BUSY_MS = 1000;

/**
 * Opens or makes the catalog at `path`. WAL with `synchronous=NORMAL`: a killed service loses nothing; a host that
 * loses power may lose the last moments, and the manifests beside the images bring committed checkpoints back.
 * Throws CHECKPOINT_CORRUPT for a damaged file.
 */
export function openCatalog(path: string): Catalog {
  const db = guarded(path, () => {
    const opened = new Database(path, { timeout: BUSY_MS });
    // One service for each state directory; the kernel releases the lock of a killed one.
    opened.pragma('locking_mode = EXCLUSIVE');
    opened.pragma('journal_mode = WAL');
    opened.pragma('synchronous = NORMAL');
    opened.pragma('wal_autocheckpoint = 4000');
    migrate(opened, path);
    return opened;
  });
  const remembered = db.prepare<[string], { digest: string; result: string }>(
    'SELECT digest, result FROM calls WHERE request_id = ?',
  );
  const remember = db.prepare('INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)');
  const events = eventTable(db);
  const plain: Catalog = {
    transaction: body => db.transaction(body).immediate(),
    ...containerTable(db),
    ...checkpointTable(db),
    ...events,
    remembered(requestId) {
      const row = remembered.get(requestId);
      return row && { digest: row.digest, result: JSON.parse(row.result) };
    },
    remember(requestId, call) {
      remember.run(requestId, call.digest, JSON.stringify(call.result ?? null), Date.now());
    },
    prune(nowMs) {
      db.prepare('DELETE FROM events WHERE sequence <= ?').run(events.lastSequence() - KEPT_EVENTS);
      db.prepare('DELETE FROM calls WHERE at_ms < ?').run(nowMs - KEPT_CALLS_MS);
    },
    close() {
      db.close();
    },
  };
  return withTypedErrors(plain, path);
}

function migrate(db: Database.Database, path: string): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) {
    throw new PortLayerError('INVALID_SPEC', 'The catalog was written by a newer version of portlayer.', {
      required: `catalog version ${SCHEMA_VERSION}`,
      found: `version ${version} in ${path}`,
      remedy: 'Start the version of portlayer that wrote it, or another state directory with --state-dir.',
    });
  }
  db.transaction(() => {
    db.exec(SCHEMA);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  })();
}

/** Every method of the catalog, with SQLite's errors turned into ours. */
function withTypedErrors(catalog: Catalog, path: string): Catalog {
  const typed: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(catalog)) {
    typed[name] = (...args: unknown[]) =>
      guarded(path, () => (method as (...a: unknown[]) => unknown)(...args));
  }
  return typed as unknown as Catalog;
}

function guarded<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (caught) {
    throw typedError(path, caught);
  }
}

function typedError(path: string, caught: unknown): unknown {
  if (!(caught instanceof Database.SqliteError)) return caught;
  if (caught.code === 'SQLITE_FULL' || caught.code.startsWith('SQLITE_IOERR')) {
    return new PortLayerError('STORE_FULL', 'The catalog cannot be written.', {
      found: `${caught.code} at ${path}`,
      remedy: 'Free space on the file system of the state directory; the service goes on by itself then.',
      cause: caught,
    });
  }
  if (caught.code === 'SQLITE_BUSY') {
    return new PortLayerError('WRONG_STATE', 'Another portlayer service uses this state directory.', {
      required: 'one service for each state directory',
      found: `a lock on ${path}`,
      remedy: 'Use that service, stop it, or give this one another directory with --state-dir.',
      cause: caught,
    });
  }
  if (caught.code === 'SQLITE_CORRUPT' || caught.code === 'SQLITE_NOTADB') {
    return new PortLayerError('CHECKPOINT_CORRUPT', 'The catalog file is damaged.', {
      found: `${caught.code} at ${path}`,
      remedy: 'Stop the service and rebuild the catalog from the manifests with: portlayer doctor --rebuild',
      cause: caught,
    });
  }
  return caught;
}
