import { randomBytes } from 'node:crypto';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Containers } from '../containers.js';

/** What a restored container has still to be told of itself; kept in a file until it has confirmed it. */
export interface Introduction {
  /** The incarnation in the image. */
  readonly incarnation: string;
  readonly crid: string;
  /** The new generation: 32 hex digits. */
  readonly generation: string;
  /** Entropy for its random generators: 64 hex digits. */
  readonly seed: string;
}

/** An introduction with a generation and a seed of its own. */
export function newIntroduction(incarnation: string, crid: string): Introduction {
  const generation = randomBytes(16).toString('hex');
  return { incarnation, crid, generation, seed: randomBytes(32).toString('hex') };
}

/**
 * Waits for the restored init, gives it its new identity, and waits for its word. The host name, the machine id and
 * the address are the copy's own before: CRIU's script sets the name, the others are there when it is restored.
 * Throws WRONG_STATE where the container ends before, EXECUTOR_UNAVAILABLE where it confirms something else.
 */
export async function introduce(
  containers: Containers,
  uid: string,
  who: Introduction,
  signal: AbortSignal,
): Promise<void> {
  const client = containers.client(uid);
  await client.init(signal);
  const identity = `crid=${who.crid} gen=${who.generation} seed=${who.seed}`;
  await client.tell(`ANSWER inc=${who.incarnation} result=restored value=0 ${identity}`, signal);
  const ready = await client.copyReady(signal);
  if (ready.includes(` gen=${who.generation}`) && !ready.includes(' missed=')) return;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The restored container did not take its new identity.', {
    required: `generation ${who.generation}, in full`,
    found: ready.slice(0, 200),
    remedy: 'Restore it again. The copy was ended.',
  });
}
