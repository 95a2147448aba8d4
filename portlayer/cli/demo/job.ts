import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// The demo's job: a program that knows nothing of portlayer but the exit-code convention. It digests every file below
// a directory, each digest over the one before it, so that a file left out or taken twice shows, and counts the words
// of the source files among them, so that there is an index to keep from one run to the next.
// With DEMO_STEPS it records where it is and exits 85 every second, and at least so many times in all; run again, it goes
// on from there.

const CHECKPOINT_EXIT = 85;
const state = process.env.PORTLAYER_STATE ?? '.';
const steps = Number(process.env.DEMO_STEPS ?? 0);
const INTERVAL_MS = 1000;
const startedAt = Date.now();

/** Where the job is. */
interface Progress {
  readonly next: number;
  readonly digest: string;
  readonly bytes: number;
  /** Each word with the number of times it was met. */
  readonly words: [string, number][];
}

function digestFrom(files: readonly string[], from: Progress): Progress {
  let { next, digest, bytes } = from;
  const words = new Map(from.words);
  for (; next < files.length; next++) {
    if (steps > 0 && isTime(next - from.next, files.length)) {
      record('progress.json', { next, digest, bytes, words: [...words] });
      console.log(`${next} of ${files.length} files`);
      process.exit(CHECKPOINT_EXIT);
    }
    const path = files[next] ?? '';
    const content = readFileSync(path);
    digest = createHash('sha256').update(digest).update(path).update(content).digest('hex');
    bytes += content.length;
    if (/\.(?:[cm]?[jt]s|json|md|h|c)$/.test(path)) index(words, content.toString());
  }
  return { next, digest, bytes, words: [...words] };
}

function isTime(done: number, total: number): boolean {
  return done > 0 && (done >= total / (steps + 1) || Date.now() - startedAt >= INTERVAL_MS);
}

function index(words: Map<string, number>, text: string): void {
  for (const [word] of text.matchAll(/[A-Za-z_$][\w$]{2,30}/g)) words.set(word, (words.get(word) ?? 0) + 1);
}

function listFiles(root: string): string[] {
  const files: string[] = [];
  for (const entry of readdirSync(root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(root, entry.name);
    if (entry.isDirectory()) files.push(...listFiles(path));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

/** Writes whole or not at all: a record that is cut short must not replace a good one. */
function record(name: string, value: unknown): void {
  writeFileSync(join(state, `${name}.new`), JSON.stringify(value));
  renameSync(join(state, `${name}.new`), join(state, name));
}

function recorded<T>(name: string): T | undefined {
  const path = join(state, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
}

let files = recorded<string[]>('files.json');
if (!files) {
  files = listFiles(process.argv[2] ?? '.');
  record('files.json', files);
}
const end = digestFrom(
  files,
  recorded<Progress>('progress.json') ?? { next: 0, digest: '', bytes: 0, words: [] },
);
const counted = createHash('sha256').update(JSON.stringify(end.words.sort())).digest('hex');
const digest = createHash('sha256').update(end.digest).update(counted).digest('hex');
console.log(`digest ${digest} files ${end.next} bytes ${end.bytes} words ${end.words.length}`);
