/** The longest line a monitor sends: `GUEST ` and a guest's 1,024 bytes. Source: design/relay-protocol.md. */
const maxLineBytes = 1024 + 6;

/** Bytes in, whole lines out. Returns undefined for good once a line is longer than the protocol allows. */
export function createLineSplitter(): (chunk: Buffer) => readonly string[] | undefined {
  let rest: Buffer = Buffer.alloc(0);
  let broken = false;
  return chunk => {
    if (broken) return undefined;
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines: string[] = [];
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (end >= maxLineBytes) break;
      lines.push(rest.toString('latin1', 0, end));
      rest = rest.subarray(end + 1);
    }
    broken = rest.length >= maxLineBytes;
    return broken && lines.length === 0 ? undefined : lines;
  };
}
