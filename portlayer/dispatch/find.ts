import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import { checkName, isUlid } from '../model/ids.js';
import type { Core } from './core.js';

/** A container by name. Throws INVALID_SPEC for an illegal name, NOT_FOUND for an unknown one. */
export function findContainer(core: Pick<Core, 'catalog'>, name: string): ContainerRecord {
  checkName('name', name);
  const record = core.catalog.container(name);
  if (record) return record;
  throw new PortLayerError('NOT_FOUND', `There is no container ${name}.`, {
    required: 'the name of a container',
    found: name,
    remedy: 'List the containers with: portlayer ps --all',
    facts: { container: name },
  });
}

/** The shortest prefix of a CRID that is accepted: the time part's leading characters alone are shared by too many. */
const LEAST_PREFIX = 8;

/**
 * A checkpoint by CRID, unique prefix of at least 8 characters, or published `name:tag`.
 * Throws INVALID_SPEC for text that is none of these or is ambiguous, NOT_FOUND.
 */
export function findCheckpoint(core: Pick<Core, 'catalog'>, text: string): CheckpointRecord {
  const found = lookUp(core, text);
  if (found && found.state !== 'removed') return found;
  throw new PortLayerError('NOT_FOUND', `There is no checkpoint ${text}.`, {
    required: 'a CRID, a unique prefix of one, or a published name:tag',
    found: text,
    remedy: 'List the checkpoints with: portlayer checkpoint ls',
    facts: { checkpoint: text },
  });
}

function lookUp(core: Pick<Core, 'catalog'>, text: string): CheckpointRecord | undefined {
  if (isUlid(text)) return core.catalog.checkpoint(text);
  if (text.includes(':') && text.length <= 140) return core.catalog.checkpointByReference(text);
  if (/^[0-9A-Z]+$/.test(text) && text.length >= LEAST_PREFIX && text.length < 26) {
    const [first, second] = core.catalog.checkpointsByPrefix(text);
    if (!second) return first;
    throw new PortLayerError('INVALID_SPEC', `More than one checkpoint begins with ${text}.`, {
      required: 'a prefix that only one CRID has',
      found: `${first?.crid} and ${second.crid}`,
      remedy: 'Give more characters.',
      facts: { field: 'checkpoint' },
    });
  }
  throw new PortLayerError(
    'INVALID_SPEC',
    `${JSON.stringify(text.slice(0, 80))} does not name a checkpoint.`,
    {
      required: `a CRID, a prefix of one of at least ${LEAST_PREFIX} characters, or a published name:tag`,
      found: JSON.stringify(text.slice(0, 80)),
      remedy: 'List what there is with: portlayer checkpoint ls, portlayer ps --all',
      facts: { field: 'checkpoint' },
    },
  );
}
