import type Database from 'better-sqlite3';
import type { Event } from '../model/event.js';
import type { Catalog } from './catalog.js';

interface Row {
  readonly sequence: number;
  readonly at_ms: number;
  readonly subject: string;
  readonly id: string;
  readonly type: string;
  readonly facts: string;
}

/** The events' part of the catalog. */
export function eventTable(
  db: Database.Database,
): Pick<Catalog, 'appendEvent' | 'eventsFrom' | 'lastSequence'> {
  const append = db.prepare('INSERT INTO events (at_ms, subject, id, type, facts) VALUES (?, ?, ?, ?, ?)');
  const from = db.prepare<[number, number], Row>(
    'SELECT * FROM events WHERE sequence >= ? ORDER BY sequence LIMIT ?',
  );
  const last = db.prepare<[], { seq: number | null }>(
    "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
  );
  return {
    appendEvent(event) {
      const facts = JSON.stringify(event.facts);
      return Number(append.run(event.atMs, event.subject, event.id, event.type, facts).lastInsertRowid);
    },
    eventsFrom: (sequence, limit) => from.all(sequence, limit).map(toEvent),
    lastSequence: () => last.get()?.seq ?? 0,
  };
}

function toEvent(row: Row): Event {
  return {
    sequence: row.sequence,
    atMs: row.at_ms,
    subject: row.subject as Event['subject'],
    id: row.id,
    type: row.type,
    facts: JSON.parse(row.facts) as Event['facts'],
  };
}
