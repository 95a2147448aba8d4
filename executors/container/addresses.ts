import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Place } from './place.js';

/** The IPv4 addresses of this executor's containers: each is written down in its container's directory. */
export interface Addresses {
  /** `wanted` (with its prefix) for this container. Throws ALREADY_EXISTS where another has it. */
  take(uid: string, wanted: string): Promise<string>;
  /** `wanted`, or the next free address of its net. Throws QUOTA_EXCEEDED where there is none. */
  takeFree(uid: string, wanted: string): Promise<string>;
}

/** Addresses of one executor; calls are served one after another. */
export function createAddresses(place: Place): Addresses {
  const { files } = place.host;
  const fileOf = (uid: string) => place.layout.container(uid).address;
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work, work);
    turn = mine.catch(() => {});
    return mine;
  }

  /** From address without prefix to the uid of who has it. */
  async function taken(): Promise<ReadonlyMap<string, string>> {
    const uids = (await files.list(place.layout.containers)).map(entry => entry.name);
    const texts = await Promise.all(uids.map(uid => files.read(fileOf(uid)).then(String, () => '')));
    return new Map(
      uids.flatMap((uid, i) => (texts[i] ? [[texts[i].split('/')[0] ?? '', uid] as const] : [])),
    );
  }

  async function write(uid: string, address: string): Promise<string> {
    await files.writeAtomic(fileOf(uid), address, 0o600);
    return address;
  }

  return {
    take: (uid, wanted) =>
      inTurn(async () => {
        const holder = (await taken()).get(wanted.split('/')[0] ?? '');
        if (holder === undefined || holder === uid) return write(uid, wanted);
        throw new PortLayerError('ALREADY_EXISTS', `Another container has the address ${wanted}.`, {
          required: 'an address that is free',
          found: `${wanted}, of ${holder}`,
          remedy: 'Choose another address, or remove that container.',
          facts: { field: 'executorOptions.veth.address' },
        });
      }),
    takeFree: (uid, wanted) =>
      inTurn(async () => {
        const used = await taken();
        const free = candidates(wanted).find(address => [undefined, uid].includes(used.get(address)));
        if (free !== undefined) return write(uid, `${free}/${wanted.split('/')[1]}`);
        throw new PortLayerError('QUOTA_EXCEEDED', `The net of ${wanted} has no free address.`, {
          required: 'a free address for the copy',
          found: `${used.size} in use`,
          remedy: 'Remove containers, or give the original a larger net.',
          facts: { field: 'executorOptions.veth.address' },
        });
      }),
  };
}

/** So many addresses are tried for one copy. */
const maxTried = 4096;

/** `wanted` first, then those after it, around its net, without the net's own address, the broadcast, and .1, which is mostly the way out. */
function candidates(wanted: string): string[] {
  const [text = '', prefix = '32'] = wanted.split('/');
  const own = text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(prefix));
  const first = own - (own % size);
  const found = [text];
  for (let step = 1; step < Math.min(size, maxTried); step++) {
    const offset = (own - first + step) % size;
    if (offset > 1 && offset < size - 1) found.push(dotted(first + offset));
  }
  return found;
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.');
}
