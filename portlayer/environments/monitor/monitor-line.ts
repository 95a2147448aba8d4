/** One line of design/relay-protocol.md, taken apart. Values are decoded. */
export interface MonitorLine {
  readonly word: string;
  readonly values: ReadonlyMap<string, string>;
}

const word = /^[A-Z]{1,16}$/;
const pair = /^([a-z][a-z0-9.-]{0,62})=((?:[A-Za-z0-9_.:/@+-]|%[0-9A-Fa-f]{2})*)$/;

/** Reads a line of the monitor's own (not what a guest says, which is judged in `portlayer/relay/`); nothing where it has no such form. */
export function parseMonitorLine(text: string): MonitorLine | undefined {
  const [first = '', ...rest] = text.split(' ');
  if (!word.test(first)) return undefined;
  const values = new Map<string, string>();
  for (const part of rest) {
    const [, key, value] = pair.exec(part) ?? [];
    if (key === undefined || value === undefined) return undefined;
    values.set(key, decode(value));
  }
  return { word: first, values };
}

function decode(value: string): string {
  if (!value.includes('%')) return value;
  const bytes = value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}
