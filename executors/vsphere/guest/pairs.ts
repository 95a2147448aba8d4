/** A line of design/relay-protocol.md without its end: a word, and pairs with their values percent-encoded. */
export function encodePairs(word: string, values: Readonly<Record<string, string>>): string {
  return [word, ...Object.entries(values).map(([key, value]) => `${key}=${encode(value)}`)].join(' ');
}

function encode(value: string): string {
  return [...Buffer.from(value, 'utf8')]
    .map(byte => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9_.:/@+-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
