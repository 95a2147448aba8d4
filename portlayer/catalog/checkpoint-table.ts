import type Database from 'better-sqlite3';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Catalog, CheckpointQuery } from './catalog.js';
import { Conditions } from './conditions.js';
import { ownerTables } from './owner-tables.js';

type CheckpointMethods =
  | 'checkpoint'
  | 'checkpointByReference'
  | 'checkpointsByPrefix'
  | 'putCheckpoint'
  | 'dropCheckpoint'
  | 'checkpoints'
  | 'crids'
  | 'nextOrdinal'
  | 'usage'
  | 'layerIsUsed'
  | 'layerOwners'
  | 'dataIsUsed'
  | 'dataUsers';

interface Row {
  readonly record: string;
  readonly crid: string;
}

interface Label {
  readonly key: string;
  readonly value: string;
}

/** Counting goes no further: 20 us. */
const WORTH_COUNTING = 1000;

/** The checkpoints' part of the catalog. */
export function checkpointTable(db: Database.Database): Pick<Catalog, CheckpointMethods> {
  const byCrid = db.prepare<[string], Row>('SELECT * FROM checkpoints WHERE crid = ?');
  const byReference = db.prepare<[string], Row>('SELECT * FROM checkpoints WHERE published = ?');
  const byPrefix = db.prepare<[string, string], Row>(
    'SELECT * FROM checkpoints WHERE crid >= ? AND crid < ? ORDER BY crid LIMIT 2',
  );
  const put = db.prepare(
    'INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (crid) DO UPDATE SET ' +
      'state = excluded.state, parent = excluded.parent, published = excluded.published, record = excluded.record',
  );
  const drop = db.prepare('DELETE FROM checkpoints WHERE crid = ?');
  const used = db.prepare<[string], { n: number }>('SELECT 1 AS n FROM layers WHERE layer = ? LIMIT 1');
  const owners = db.prepare<[string], { owner: string }>('SELECT owner FROM layers WHERE layer = ?');
  const ordinal = db.prepare<[], { value: number }>(
    "UPDATE counters SET value = value + 1 WHERE name = 'ordinal' RETURNING value",
  );
  const sums =
    "SELECT count(*) AS checkpoints, coalesce(sum(coalesce(record ->> '$.image.storedBytes', record ->> '$.image.bytes')), 0) " +
    "AS bytes FROM checkpoints WHERE state IN ('captured', 'committing', 'committed')";
  const usageOfAll = db.prepare<[], { checkpoints: number; bytes: number }>(sums);
  const usageOf = db.prepare<[string], { checkpoints: number; bytes: number }>(
    `${sums} AND container_uid = ?`,
  );
  const owned = ownerTables(db);
  const counted = db.prepare<[string, string, number], { n: number }>(
    'SELECT count(*) AS n FROM (SELECT 1 FROM labels WHERE key = ? AND value = ? LIMIT ?)',
  );

  /** Labels with a value, the one that fewest records have first, as far as is worth counting; then those of any value. */
  function rarestFirst(labels: Readonly<Record<string, string>>): readonly Label[] {
    const all = Object.entries(labels).map(([key, value]) => ({ key, value }));
    if (all.length < 2) return all;
    const rank = ({ key, value }: Label) =>
      value === '' ? Number.POSITIVE_INFINITY : counted.get(key, value, WORTH_COUNTING)!.n;
    return all
      .map(label => ({ label, rank: rank(label) }))
      .sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank))
      .map(({ label }) => label);
  }

  return {
    checkpoint: crid => parse(byCrid.get(crid)),
    checkpointByReference: reference => parse(byReference.get(reference)),
    // '~' sorts after every character of a ULID.
    checkpointsByPrefix: prefix => byPrefix.all(prefix, `${prefix}~`).map(row => parse(row)!),
    putCheckpoint(record) {
      put.run(
        record.crid,
        record.state,
        record.mechanism,
        record.level,
        record.container,
        record.containerUid,
        record.parent ?? null,
        record.published ?? null,
        JSON.stringify(record),
      );
      owned.setLabels(record.crid, record.labels);
      const gone = record.state === 'removed' || record.state === 'failed';
      const { layers = [], sources = [] } = record.image ?? {};
      owned.setLayers(record.crid, gone ? [] : [...layers, ...sources.map(dataOf)]);
    },
    dropCheckpoint(crid) {
      drop.run(crid);
      owned.clear(crid);
    },
    checkpoints(query) {
      const labels = rarestFirst(query.labels ?? {});
      const leading = isNarrow(query) || labels[0]?.value === '' ? undefined : labels[0];
      const where = conditions(query, leading, leading ? labels.slice(1) : labels);
      const from = leading
        ? 'labels AS leading CROSS JOIN checkpoints ON crid = leading.owner'
        : 'checkpoints';
      const order = leading ? 'leading.owner' : 'crid';
      const rows = db
        .prepare<unknown[], Row>(
          `SELECT crid, record FROM ${from} ${where.sql} ORDER BY ${order} DESC LIMIT ?`,
        )
        .all(...where.values, query.limit + 1);
      const page = rows.slice(0, query.limit);
      const last = page.at(-1);
      return {
        items: page.map(row => parse(row)!),
        ...(rows.length > query.limit && last ? { next: last.crid } : {}),
      };
    },
    crids(states) {
      const where = new Conditions();
      where.isOneOf('state', states);
      return db
        .prepare<unknown[], Row>(`SELECT crid FROM checkpoints ${where.sql} ORDER BY crid`)
        .all(...where.values)
        .map(row => row.crid);
    },
    nextOrdinal: () => ordinal.get()!.value,
    usage: uid => (uid === undefined ? usageOfAll.get() : usageOf.get(uid))!,
    layerIsUsed: layer => used.get(layer) !== undefined,
    layerOwners: layer => owners.all(layer).map(row => row.owner),
    dataIsUsed: crid => used.get(dataOf(crid)) !== undefined,
    dataUsers: crid => owners.all(dataOf(crid)).map(row => row.owner),
  };
}

/** An image's data stands among the layers that others need: no layer has such a name. */
function dataOf(crid: string): string {
  return `data:${crid}`;
}

/** True where another part of the query has an index that leaves fewer rows than a label does. */
function isNarrow({ container, containerUid, parent, published }: CheckpointQuery): boolean {
  return (container ?? containerUid ?? parent ?? (published || undefined)) !== undefined;
}

/**
 * With a `leading` label its index is walked from the newest owner on until the page is full: the walk is as long as
 * the page, however many records have the label.
 */
function conditions(
  query: CheckpointQuery,
  leading: Label | undefined,
  labels: readonly Label[],
): Conditions {
  const where = new Conditions();
  // The unary plus keeps SQLite from the state's index: nearly every row has the same state.
  where.isOneOf('+state', query.states);
  if (leading) where.add('leading.key = ? AND leading.value = ?', leading.key, leading.value);
  if (query.after !== undefined) where.add(`${leading ? 'leading.owner' : 'crid'} < ?`, query.after);
  if (query.level !== undefined) where.add('level = ?', query.level);
  if (query.mechanism !== undefined) where.add('+mechanism = ?', query.mechanism);
  if (query.container !== undefined) where.add('container = ?', query.container);
  if (query.containerUid !== undefined) where.add('container_uid = ?', query.containerUid);
  if (query.parent !== undefined) where.add('parent = ?', query.parent);
  if (query.published) where.add('published IS NOT NULL');
  if (leading || isNarrow(query)) {
    where.hasLabels('crid', Object.fromEntries(labels.map(({ key, value }) => [key, value])));
  } else {
    for (const { key } of labels) where.add('crid IN (SELECT owner FROM labels WHERE key = ?)', key);
  }
  return where;
}

function parse(row: { record: string } | undefined): CheckpointRecord | undefined {
  return row && (JSON.parse(row.record) as CheckpointRecord);
}
