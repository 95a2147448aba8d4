import type Database from 'better-sqlite3';

/** What a record owns in tables of its own: its labels and the layers it stacks. */
export interface OwnerTables {
  setLabels(owner: string, labels: Readonly<Record<string, string>>): void;
  setLayers(owner: string, layers: readonly string[]): void;
  /** Removes both. */
  clear(owner: string): void;
}

/** Writes only what changed, since most puts change a state and nothing else. */
export function ownerTables(db: Database.Database): OwnerTables {
  const labelsOf = db.prepare<[string], { key: string; value: string }>(
    'SELECT key, value FROM labels WHERE owner = ?',
  );
  const addLabel = db.prepare('INSERT OR IGNORE INTO labels VALUES (?, ?, ?)');
  const dropLabel = db.prepare('DELETE FROM labels WHERE key = ? AND value = ? AND owner = ?');
  const layersOf = db.prepare<[string], { layer: string }>('SELECT layer FROM layers WHERE owner = ?');
  const addLayer = db.prepare('INSERT OR IGNORE INTO layers VALUES (?, ?)');
  const dropLayer = db.prepare('DELETE FROM layers WHERE layer = ? AND owner = ?');
  const tables: OwnerTables = {
    setLabels(owner, labels) {
      for (const row of labelsOf.all(owner)) {
        if (labels[row.key] !== row.value) dropLabel.run(row.key, row.value, owner);
      }
      for (const [key, value] of Object.entries(labels)) addLabel.run(key, value, owner);
    },
    setLayers(owner, layers) {
      const wanted = new Set(layers);
      for (const { layer } of layersOf.all(owner)) {
        if (!wanted.delete(layer)) dropLayer.run(layer, owner);
      }
      for (const layer of wanted) addLayer.run(layer, owner);
    },
    clear(owner) {
      tables.setLabels(owner, {});
      tables.setLayers(owner, []);
    },
  };
  return tables;
}
