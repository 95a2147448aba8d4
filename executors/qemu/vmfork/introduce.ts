import { randomBytes } from 'node:crypto';
import type { MonitorClient } from '../../../portlayer/environments/monitor/monitor-client.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { GATEWAY, type Identity } from '../identity.js';
import type { MachinePaths } from '../layout.js';
import type { Place } from '../place.js';
import { connectNew } from '../qmp/connect-new.js';
import { type Qmp, withQmp } from '../qmp/qmp-client.js';

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
 * Gives a copy its identity by the relay's answer `restored`, lets it go where it `mayWait`, waits for its word, and compares
 * what the guest's PID 1 has then read from its kernel and files, and what QEMU says of its network card, with what it
 * was told to be. Resolves with the microseconds that the guest took for it. Throws WRONG_STATE where it ends before,
 * EXECUTOR_UNAVAILABLE where it is not what it was told to be.
 */
export async function introduce(
  place: Place,
  paths: MachinePaths,
  client: MonitorClient,
  who: Introduction,
  mayWait: boolean,
  signal: AbortSignal,
): Promise<number> {
  const word = told(client, who, signal);
  if (!mayWait && who.identity.address === undefined) return tookUs(await word);
  // QEMU serves one conversation at a time, and it is begun beside the guest's work: each of its steps costs a fork's time.
  const watched = connectNew(place.host, paths.qmp, client, signal).then(connected =>
    withQmp(place.host, paths.qmp, qmp => letGoAndSee(qmp, mayWait, who.identity, word), {
      connected,
      signal,
      ms: place.config.restoreMs,
    }),
  );
  const [ready] = await Promise.all([word, watched]);
  return tookUs(ready);
}

const tookUs = (ready: string) => Number(/ is-took-us=(\d{1,12})(?= |$)/.exec(ready)?.[1] ?? 0);

/** The copy's word, if it is right. */
async function told(client: MonitorClient, who: Introduction, signal: AbortSignal): Promise<string> {
  const { hostname, machineId, mac, address } = who.identity;
  const network = address === undefined ? '' : ` mac=${mac} address=${address} gateway=${GATEWAY}`;
  const self = `gen=${who.generation} seed=${who.seed} hostname=${hostname} machine-id=${machineId}`;
  await client.init(signal); // Before, there is no doorbell to ring, and the answer would wait a second.
  await client.tell(
    `ANSWER inc=${who.incarnation} result=restored value=0 crid=${who.crid} ${self}${network}`,
    signal,
  );
  const ready = await client.copyReady(signal);
  const said = new Set(ready.split(' '));
  const wanted = [
    `gen=${who.generation}`,
    `is-gen=${who.generation}`,
    `is-hostname=${hostname}`,
    `is-machine-id=${machineId}`,
    ...(address === undefined ? [] : [`is-mac=${mac}`]),
  ];
  const wrong = wanted.filter(part => !said.has(part));
  if (wrong.length > 0 || ready.includes(' missed=')) throw notIntroduced(wrong.join(' '), ready);
  return ready;
}

/** `cont` has no effect on a machine that runs. Then the card's address, as its driver has set it in QEMU. */
async function letGoAndSee(
  qmp: Qmp,
  mayWait: boolean,
  { mac, address }: Identity,
  word: Promise<unknown>,
): Promise<void> {
  if (mayWait) await qmp.execute('cont');
  await word;
  if (address === undefined) return;
  const cards = await qmp.execute('query-rx-filter');
  const found = cards.map(card => card['main-mac']).join(' ');
  if (found !== mac) throw notIntroduced(`mac=${mac}`, `QEMU's card has ${found || 'no address'}`);
}

function notIntroduced(required: string, found: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The copy did not take its new identity.', {
    required,
    found: found.slice(0, 300),
    remedy: 'Restore it again. The copy was ended.',
  });
}
