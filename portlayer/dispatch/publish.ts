import { PortLayerError } from '../errors/port-layer-error.js';
import { type CheckpointRecord, isUsable } from '../model/checkpoint-record.js';
import { labelsSchema } from '../model/container-spec.js';
import { checkAgainst } from '../model/schema-check.js';
import type { Core } from './core.js';
import type { PublishOptions } from './dispatch.js';
import { findCheckpoint } from './find.js';
import { searchImage } from './search-image.js';
import { fillStandbys } from './standbys.js';
import { notUsable } from './usable.js';

/** Names a checkpoint, or, with an empty reference, takes its name back. The caller holds the checkpoint's lock. */
export async function publish(
  core: Core,
  crid: string,
  reference: string,
  { move, immutable = false, labels = {}, force = false }: PublishOptions,
): Promise<CheckpointRecord> {
  const more = checkAgainst<Record<string, string>>('label set', labelsSchema, labels);
  const record = findCheckpoint(core, crid);
  if (reference === '') {
    const { published: was, immutable: fixed, ...rest } = record;
    if (was === undefined) return record;
    if (fixed && !force) throw isImmutable(record);
    return setPublished(core, rest, 'unpublished', was);
  }
  const wanted: CheckpointRecord = {
    ...record,
    published: reference,
    labels: { ...record.labels, ...more },
    ...(immutable ? { immutable: true as const } : {}),
  };
  if (record.published === reference) {
    const same = (immutable ? record.immutable === true : true) && includes(record.labels, more);
    return same ? record : setPublished(core, wanted, 'published', reference);
  }
  if (record.immutable && !force) throw isImmutable(record);
  if (!isUsable(record)) throw notUsable(record);
  await refuseSecrets(core, record, force);
  const holder = core.catalog.checkpointByReference(reference);
  if (holder) await takeFrom(core, holder, reference, move, force);
  const { immutable: _, ...fresh } = wanted;
  return setPublished(core, immutable ? wanted : fresh, 'published', reference);
}

async function takeFrom(
  core: Core,
  holder: CheckpointRecord,
  reference: string,
  move: boolean,
  force: boolean,
): Promise<void> {
  if (holder.immutable && !force) throw isImmutable(holder);
  if (!move) {
    throw new PortLayerError('ALREADY_EXISTS', `Another checkpoint is published as ${reference}.`, {
      required: 'a reference that is free',
      found: holder.crid,
      remedy: 'Choose another tag, or take the name from it with: portlayer checkpoint publish --move',
      facts: { crid: holder.crid },
    });
  }
  const { published: _, immutable: __, ...rest } = holder;
  await setPublished(core, rest, 'unpublished', reference);
}

/** A published checkpoint is started by others: what its container was given in confidence must not be in it. */
async function refuseSecrets(core: Core, record: CheckpointRecord, force: boolean): Promise<void> {
  const found = force ? [] : await searchImage(core, record);
  if (found.length === 0) return;
  const names = [...new Set(found.map(each => each.secret))].join(', ');
  throw new PortLayerError('CONSTRAINT_UNMET', `The image of checkpoint ${record.crid} holds secrets.`, {
    required: 'an image without the values of the secrets that its container was given',
    found: found.map(({ secret, place }) => `${secret}: ${place}`).join('; '),
    remedy:
      'Let the task forget the value before it is checkpointed (overwrite it; read it from its file when it is needed), or publish with --force.',
    facts: { crid: record.crid, secrets: names, places: String(found.length) },
  });
}

async function setPublished(
  core: Core,
  record: CheckpointRecord,
  type: string,
  reference: string,
): Promise<CheckpointRecord> {
  // The manifest first: a catalog that is rebuilt from it must not forget a name that was answered for.
  if (record.state === 'committed') await core.store.rewrite(record);
  core.ledger.write({ checkpoint: record, type, facts: { reference } });
  if (record.published !== undefined) fillStandbys(core, record.crid);
  return record;
}

function includes(all: Readonly<Record<string, string>>, some: Readonly<Record<string, string>>): boolean {
  return Object.entries(some).every(([key, value]) => all[key] === value);
}

function isImmutable(record: CheckpointRecord): PortLayerError {
  return new PortLayerError('WRONG_STATE', `The name ${record.published} is immutable.`, {
    required: 'a name that may be taken back or moved',
    found: `${record.published}, published as immutable on ${record.crid}`,
    remedy: 'Choose another tag, or use --force.',
    facts: { crid: record.crid, published: record.published ?? '' },
  });
}
