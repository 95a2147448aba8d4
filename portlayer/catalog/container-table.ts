import type Database from 'better-sqlite3';
import type { ContainerRecord } from '../model/container-record.js';
import type { Catalog } from './catalog.js';
import { Conditions } from './conditions.js';
import { ownerTables } from './owner-tables.js';

type ContainerMethods = 'container' | 'containerByUid' | 'putContainer' | 'dropContainer' | 'containers';

/** The containers' part of the catalog. */
export function containerTable(db: Database.Database): Pick<Catalog, ContainerMethods> {
  const byName = db.prepare<[string], { record: string }>('SELECT record FROM containers WHERE name = ?');
  const byUid = db.prepare<[string], { record: string }>('SELECT record FROM containers WHERE uid = ?');
  const put = db.prepare(
    'INSERT INTO containers VALUES (?, ?, ?, ?) ON CONFLICT (uid) DO UPDATE SET name = excluded.name, ' +
      'state = excluded.state, record = excluded.record',
  );
  const drop = db.prepare('DELETE FROM containers WHERE uid = ?');
  const owned = ownerTables(db);
  return {
    container: name => parse(byName.get(name)),
    containerByUid: uid => parse(byUid.get(uid)),
    putContainer(record) {
      put.run(record.uid, record.spec.name, record.state, JSON.stringify(record));
      owned.setLabels(record.uid, record.spec.labels);
      owned.setLayers(record.uid, record.layers);
    },
    dropContainer(uid) {
      drop.run(uid);
      owned.clear(uid);
    },
    containers(query) {
      const where = new Conditions();
      if (query.states?.length) where.isOneOf('state', query.states);
      if (query.after !== undefined) where.add('name > ?', query.after);
      where.hasLabels('uid', query.labels ?? {});
      const rows = db
        .prepare<unknown[], { record: string; name: string }>(
          `SELECT name, record FROM containers ${where.sql} ORDER BY name LIMIT ?`,
        )
        .all(...where.values, query.limit + 1);
      const page = rows.slice(0, query.limit);
      const last = page.at(-1);
      return {
        items: page.map(row => JSON.parse(row.record) as ContainerRecord),
        ...(rows.length > query.limit && last ? { next: last.name } : {}),
      };
    },
  };
}

function parse(row: { record: string } | undefined): ContainerRecord | undefined {
  return row && (JSON.parse(row.record) as ContainerRecord);
}
