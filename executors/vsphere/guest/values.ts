import { encodePairs } from './pairs.js';

/** What a guest has told, in the key `up`. Form: design/relay-protocol.md. A guest's words: believed of it alone. */
export interface Up {
  /** Of this run, or of this clone; 16 hex digits. */
  readonly boot: string;
  /** Which machine it takes itself for. */
  readonly self: string;
  /** The newest order that it has carried out. */
  readonly taken: number;
  readonly state: string;
  readonly incarnation: string;
  readonly lines: readonly { readonly number: number; readonly text: string }[];
}

/** What the host tells, in the key `down`. */
export interface Down {
  readonly self: string;
  /** What the guest is to become where it is another than it was: `container`, `original` or `image`. */
  readonly role: string;
  /** The boot that the orders are for. */
  readonly boot: string;
  /** The newest line that the host has taken. */
  readonly acknowledged: number;
  /** The newest number that an order has had. */
  readonly last: number;
  readonly orders: readonly { readonly number: number; readonly text: string }[];
}

/** More than a guest of ours ever writes; the rest is not read. */
const MAX_BYTES = 65536;

/** Reads what a guest wrote; undefined where it has no such form. */
export function parseUp(text: string | undefined): Up | undefined {
  const { head, items } = split(text, 'UP') ?? {};
  const boot = head?.get('boot') ?? '';
  if (!head || !items || !/^[0-9a-f]{16}$/.test(boot)) return undefined;
  return {
    boot,
    self: head.get('self') ?? '',
    taken: integer(head.get('taken')),
    state: head.get('state') ?? '',
    incarnation: /^[0-9a-f]{16}$/.exec(head.get('inc') ?? '')?.[0] ?? '',
    lines: items,
  };
}

/** Reads what a host wrote before. */
export function parseDown(text: string | undefined): Down | undefined {
  const { head, items } = split(text, 'DOWN') ?? {};
  if (!head || !items) return undefined;
  return {
    self: head.get('self') ?? '',
    role: head.get('role') ?? '',
    boot: head.get('boot') ?? '',
    acknowledged: integer(head.get('ack')),
    last: integer(head.get('last')),
    orders: items,
  };
}

/** The value of the key `down`. */
export function encodeDown({ self, role, boot, acknowledged, last, orders }: Down): string {
  const head = encodePairs('DOWN', {
    v: '1',
    self,
    role,
    boot,
    ack: String(acknowledged),
    last: String(last),
  });
  return [head, ...orders.map(({ number, text }) => `${number} ${text}`)].join(';');
}

/** What is written for a machine whose guest has not been heard of yet. */
export function firstDown(self: string, role: 'container' | 'image'): string {
  return encodeDown({ self, role, boot: '', acknowledged: 0, last: 0, orders: [] });
}

function split(
  text: string | undefined,
  word: string,
): { head: ReadonlyMap<string, string>; items: Up['lines'] } | undefined {
  if (text === undefined || text.length > MAX_BYTES || !/^[\x20-\x7e]*$/.test(text)) return undefined;
  const [first = '', ...rest] = text.split(';');
  const [said, ...pairs] = first.split(' ');
  if (said !== word) return undefined;
  const head = new Map(
    pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  const items = rest.flatMap(item => {
    const [, number, line] = /^(\d{1,15}) (.{1,1023})$/.exec(item) ?? [];
    return line === undefined ? [] : [{ number: Number(number), text: line }];
  });
  return { head, items };
}

function integer(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? '') ? Number(text) : 0;
}
