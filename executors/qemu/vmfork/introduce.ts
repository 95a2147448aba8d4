import { randomBytes } from 'node:crypto';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Containers } from '../containers.js';
import { giveOrder } from '../guest/order.js';
import { GATEWAY, type Identity } from '../identity.js';
import type { Place } from '../place.js';

/** What a copy has still to be told of itself; kept in a file until it has confirmed it. */
export interface Introduction {
  /** The incarnation in the image. */
  readonly incarnation: string;
  readonly crid: string;
  readonly identity: Identity;
  /** The new generation: 32 hex digits. */
  readonly generation: string;
  /** Entropy for its random generators: 64 hex digits. */
  readonly seed: string;
}

/** An introduction with a generation and a seed of its own. */
export function newIntroduction(incarnation: string, crid: string, identity: Identity): Introduction {
  const generation = randomBytes(16).toString('hex');
  return { incarnation, crid, identity, generation, seed: randomBytes(32).toString('hex') };
}

/**
 * Gives a copy its identity by the relay's answer `restored`, waits for its word, and looks from outside at what it has
 * become. Throws WRONG_STATE where it ends before, EXECUTOR_UNAVAILABLE where it is not what it was told to be.
 */
export async function introduce(
  place: Place,
  containers: Containers,
  uid: string,
  who: Introduction,
  signal: AbortSignal,
): Promise<void> {
  const client = containers.client(uid);
  const { hostname, machineId, mac, address } = who.identity;
  const network = address === undefined ? '' : ` mac=${mac} address=${address} gateway=${GATEWAY}`;
  const self = `gen=${who.generation} seed=${who.seed} hostname=${hostname} machine-id=${machineId}`;
  await client.init(signal); // Before, there is no doorbell to ring, and the answer would wait a second.
  await client.tell(
    `ANSWER inc=${who.incarnation} result=restored value=0 crid=${who.crid} ${self}${network}`,
    signal,
  );
  const ready = await client.copyReady(signal);
  if (!ready.includes(` gen=${who.generation}`) || ready.includes(' missed='))
    throw notIntroduced(`generation ${who.generation}, in full`, ready);
  const answer = await giveOrder(place.host, containers.paths(uid).orders, 'WHO', place.config.quiesceMs);
  const wanted = [
    `hostname=${hostname}`,
    `machine-id=${machineId}`,
    `gen=${who.generation}`,
    ...(address === undefined ? [] : [`mac=${mac}`]),
  ];
  const said = new Set(answer.split(' '));
  const wrong = wanted.filter(part => !said.has(part));
  if (wrong.length > 0) throw notIntroduced(wrong.join(' '), answer);
}

function notIntroduced(required: string, found: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The copy did not take its new identity.', {
    required,
    found: found.slice(0, 300),
    remedy: 'Restore it again. The copy was ended.',
  });
}
