import { PortLayerError } from '../errors/port-layer-error.js';
import { NAME_PATTERN } from '../model/ids.js';

/** A guest's line, decoded and validated: nothing in it is longer or stranger than its type says. */
export type GuestMessage =
  | { readonly word: 'STARTED'; readonly incarnation: string }
  | { readonly word: 'FAILED'; readonly incarnation: string; readonly what: string; readonly text: string }
  | { readonly word: 'READY'; readonly incarnation: string; readonly generation: string }
  | TriggerMessage;

/** A task asks for a checkpoint. */
export interface TriggerMessage {
  readonly word: 'TRIGGER';
  readonly incarnation: string;
  /** Rises by one with each trigger of one incarnation. */
  readonly sequence: number;
  /** `any` or a mechanism's name. */
  readonly mechanism: string;
  readonly timeoutMs: number;
  readonly from: 'signal' | 'tool' | 'socket';
  readonly labels: Readonly<Record<string, string>>;
}

/** What the init is answered. Source: design/relay-protocol.md. */
export interface Answer {
  readonly incarnation?: string;
  readonly sequence?: number;
  readonly result: 'id' | 'restored' | 'exit' | 'error';
  readonly value?: number;
  readonly crid?: string;
  readonly code?: number;
  readonly reason?: string;
  /** Identity of a copy. */
  readonly identity?: Readonly<Record<string, string>>;
}

/** The longest line, with its end. */
const MAX_LINE = 1024;
const MAX_TIMEOUT_MS = 24 * 3600 * 1000;
const MAX_GUEST_LABELS = 16;
const name = new RegExp(NAME_PATTERN);

/** Decodes one line of the guest. Throws INVALID_SPEC; the caller drops the link. */
export function decodeGuestLine(line: string): GuestMessage {
  const { word, fields } = splitLine(line);
  const incarnation = matching(fields, 'inc', /^[0-9a-f]{16}$/);
  switch (word) {
    case 'STARTED':
      return { word, incarnation };
    case 'FAILED':
      return { word, incarnation, what: printable(fields.what, 32), text: printable(fields.text, 200) };
    case 'READY':
      return { word, incarnation, generation: matching(fields, 'gen', /^[0-9a-f]{32}$/) };
    case 'TRIGGER':
      return {
        word,
        incarnation,
        sequence: integer(fields, 'seq', 1, Number.MAX_SAFE_INTEGER),
        mechanism: matching(fields, 'mech', name),
        timeoutMs: integer(fields, 'timeout-ms', 0, MAX_TIMEOUT_MS),
        from: matching(fields, 'from', /^(signal|tool|socket)$/) as TriggerMessage['from'],
        labels: labelsOf(fields),
      };
    default:
      throw malformed(`the word ${word.slice(0, 32)}`);
  }
}

/** Encodes an answer as one line without its end; a reason that would make it too long is cut. */
export function encodeAnswer(answer: Answer): string {
  const fields: Record<string, string | number | undefined> = {
    inc: answer.incarnation,
    seq: answer.sequence,
    result: answer.result,
    value: answer.value,
    crid: answer.crid,
    code: answer.code,
    ...answer.identity,
  };
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeValue(String(value))}`);
  const line = ['ANSWER', ...parts].join(' ');
  if (answer.reason === undefined) return line;
  const room = MAX_LINE - line.length - ' reason='.length - 1;
  // Three bytes at most for each: the cut never splits an escape.
  return `${line} reason=${encodeValue(answer.reason.slice(0, Math.max(0, Math.floor(room / 3))))}`;
}

/** Percent-encodes every byte outside the protocol's plain set. */
export function encodeValue(value: string): string {
  return [...Buffer.from(value, 'utf8')]
    .map(byte => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9_.:/@+-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

function splitLine(line: string): { word: string; fields: Record<string, string> } {
  if (line.length >= MAX_LINE || !/^[\x20-\x7e]+$/.test(line))
    throw malformed('a line that is too long or not printable');
  const [word = '', ...pairs] = line.split(' ');
  if (!/^[A-Z]{1,16}$/.test(word)) throw malformed('no word');
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const pair of pairs) {
    const match = /^([a-z][A-Za-z0-9._/-]{0,62})=([A-Za-z0-9_.:/@+%-]*)$/.exec(pair);
    if (!match) throw malformed('a part that is not key=value');
    const [, key = '', value = ''] = match;
    if (key in fields) throw malformed('a key given twice');
    fields[key] = decodeValue(value);
  }
  return { word, fields };
}

function decodeValue(value: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(value)) throw malformed('a broken escape');
  const bytes = value.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function labelsOf(fields: Record<string, string>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (!key.startsWith('label.')) continue;
    const label = key.slice('label.'.length);
    if (!name.test(label) || value.length > 255) throw malformed('a label that is not legal');
    labels[label] = printable(value, 255);
  }
  if (Object.keys(labels).length > MAX_GUEST_LABELS) throw malformed(`more than ${MAX_GUEST_LABELS} labels`);
  return labels;
}

function matching(fields: Record<string, string>, key: string, pattern: RegExp): string {
  const value = fields[key];
  if (value === undefined || !pattern.test(value)) throw malformed(`${key} missing or malformed`);
  return value;
}

function integer(fields: Record<string, string>, key: string, least: number, most: number): number {
  const value = Number(matching(fields, key, /^[0-9]{1,16}$/));
  if (value < least || value > most) throw malformed(`${key} out of bounds`);
  return value;
}

/** Text of a guest for a log or a record: control characters replaced, cut to `most`. */
function printable(text: string | undefined, most: number): string {
  return (text ?? '').slice(0, most).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

function malformed(found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The guest sent a line that is not of the relay protocol.', {
    required: 'a line of design/relay-protocol.md, version 1',
    found,
  });
}
