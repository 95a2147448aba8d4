/**
 * The catalog's tables, as of `user_version` 1. Records are kept whole as JSON; columns beside them are what lists
 * filter and order by. Opening a newer version is refused.
 */
export const SCHEMA_VERSION = 1;

/** Run once, on an empty file. */
export const SCHEMA = `
CREATE TABLE containers (
  uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX containers_by_state ON containers (state, name);

CREATE TABLE checkpoints (
  crid TEXT PRIMARY KEY, state TEXT NOT NULL, mechanism TEXT NOT NULL, level TEXT NOT NULL, container TEXT NOT NULL,
  container_uid TEXT NOT NULL, parent TEXT, published TEXT UNIQUE, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX checkpoints_by_state ON checkpoints (state, crid);
CREATE INDEX checkpoints_by_container ON checkpoints (container, crid);
CREATE INDEX checkpoints_by_uid ON checkpoints (container_uid, crid);
CREATE INDEX checkpoints_by_parent ON checkpoints (parent, crid);
CREATE INDEX checkpoints_by_mechanism ON checkpoints (mechanism, crid);

CREATE TABLE labels (
  key TEXT NOT NULL, value TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (key, value, owner)
) WITHOUT ROWID;
CREATE INDEX labels_by_owner ON labels (owner);

CREATE TABLE layers (layer TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (layer, owner)) WITHOUT ROWID;
CREATE INDEX layers_by_owner ON layers (owner);

CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL,
  type TEXT NOT NULL, facts TEXT NOT NULL
);
CREATE TABLE calls (
  request_id TEXT PRIMARY KEY, digest TEXT NOT NULL, result TEXT NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('ordinal', 0);
`;
