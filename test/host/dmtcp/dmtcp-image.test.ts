import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkImages, imagesOf, readImageFacts, writeImageFacts } from '../../../loaders/dmtcp/image.js';
import { createUnchangedImages } from '../../../loaders/dmtcp/unchanged-images.js';
import { rejection } from '../../conformance/rejection.js';
import { initBinary } from '../container/subject.js';
import { withHost } from './subject.js';

const name = 'ckpt_task_1-40000-2.dmtcp';
/** Over more than one chunk, with a rest that is no whole word. */
const length = (16 << 20) * 2 + 12_345;

function sum(path: string): { sum: string; bytes: number } {
  const [text = '', bytes] = execFileSync(initBinary, ['digest', path], { encoding: 'utf8' }).split(' ');
  return { sum: text, bytes: Number(bytes) };
}

describe('images of DMTCP on disk', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pl-image-'));
    mkdirSync(imagesOf(directory));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const path = () => join(imagesOf(directory), name);

  it('the sum of nothing is that of XXH64, and others differ with what they are of', () => {
    writeFileSync(path(), '');
    expect(sum(path())).to.deep.equal({ sum: 'ef46db3751d8e999', bytes: 0 });
    writeFileSync(path(), 'abc');
    expect(sum(path()).bytes).to.equal(3);
    const twice = [sum(path()).sum, sum(path()).sum];
    writeFileSync(path(), 'abd');
    expect(new Set([...twice, sum(path()).sum]).size).to.equal(2);
  });

  it('one flipped bit anywhere, a lost or added byte, and a file that is gone are each refused by name', async () => {
    const bytes = Buffer.alloc(length, 'an image of memory; ');
    writeFileSync(path(), bytes);
    await withHost(async host => {
      const facts = { build: 'b', files: [{ name, ...sum(path()) }], askers: [40000] };
      await writeImageFacts(host, directory, facts);
      const read = await readImageFacts(host, directory);
      expect(read).to.deep.equal({ version: 1, ...facts });
      const unchanged = createUnchangedImages(); // So that what was found once is not read again: any change must show.
      const check = () => checkImages(host, directory, read, unchanged, AbortSignal.timeout(30_000));
      await check();
      for (const at of [0, 31, 32, (16 << 20) - 1, 16 << 20, length - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 0x10;
        writeFileSync(path(), flipped);
        expect((await rejection(check(), 'CHECKPOINT_CORRUPT')).found).to.equal(
          `${name} has another content`,
        );
      }
      writeFileSync(path(), bytes);
      await check();
      truncateSync(path(), length - 1);
      expect((await rejection(check(), 'CHECKPOINT_CORRUPT')).found).to.equal(
        `${name} has ${length - 1} bytes instead of ${length}`,
      );
      rmSync(path());
      expect((await rejection(check(), 'CHECKPOINT_CORRUPT')).found).to.equal(`${name} is gone`);
    });
  });

  it('a description that is gone, no JSON, or names a file elsewhere is refused', async () => {
    await withHost(async host => {
      await rejection(readImageFacts(host, directory), 'CHECKPOINT_CORRUPT');
      for (const text of [
        '{',
        '{}',
        JSON.stringify({
          version: 1,
          build: 'b',
          askers: [],
          files: [{ name: '../../etc/passwd', sum: '0'.repeat(16) }],
        }),
      ]) {
        writeFileSync(join(directory, 'portlayer.json'), text);
        await rejection(readImageFacts(host, directory), 'CHECKPOINT_CORRUPT');
      }
    });
  });
});

describe('taking images out through pipes', function () {
  this.timeout(60_000);
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pl-drain-'));
    for (const below of ['root/room', 'out']) mkdirSync(join(directory, below), { recursive: true });
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const pipe = () => join(directory, 'root/room', `${name}.temp`);

  /** A drain as the loader starts it, with what it has said; `out` may be another directory. */
  function drain(out = join(directory, 'out')) {
    const options = ['--root', join(directory, 'root'), '--room', 'room', '--askers', 'askers', '--out', out];
    const child = spawn(initBinary, ['drain', ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.write(`IMAGE 1 ${name}\nARM\n`);
    let said = '';
    child.stdout.on('data', chunk => {
      said += String(chunk);
    });
    const until = async (pattern: RegExp) => {
      while (!pattern.test(said)) await new Promise(resolve => setTimeout(resolve, 5));
      return said;
    };
    const ended = new Promise<number | null>(resolve => child.on('exit', resolve));
    return { child, until, ended, say: (line: string) => child.stdin.write(`${line}\n`) };
  }
  /** A task that writes its image of so many mebibytes and, `afterSeconds` later, renames it, as DMTCP does when all have written theirs; and says how that went. */
  const task = (mebibytes: number, afterSeconds = 0) => {
    const write = `dd if=/dev/zero of='${pipe()}' bs=1M count=${mebibytes} status=none`;
    const rename = `mv '${pipe()}' '${pipe().slice(0, -'.temp'.length)}'`;
    const child = spawn('sh', ['-c', `${write} && sleep ${afterSeconds} && ${rename}`], { stdio: 'inherit' });
    return new Promise<number | null>(resolve => child.on('exit', resolve));
  };

  it('nothing is read before the service says so, and then all of it, with its sum', async () => {
    writeFileSync(join(directory, 'root/room/askers'), '17+23');
    const it = drain();
    await it.until(/^READY$/m);
    const written = task(40);
    let done = false;
    void written.then(() => {
      done = true;
    });
    expect(await it.until(/^FROZEN .*$/m)).to.include('FROZEN askers=17+23');
    expect(done, 'the task waits').to.equal(false);
    it.say('GO');
    expect(await written).to.equal(0);
    const said = await it.until(/^FILE .*$/m);
    it.say('END');
    expect(await it.ended).to.equal(0);
    const path = join(directory, 'out', name);
    expect(said).to.include(`FILE ${name} ${sum(path).sum} ${40 << 20}`);
    expect(readdirSync(join(directory, 'root/room'))).to.deep.equal(['askers']);
  });

  it('a service that dies does not harm the task: everything is read and thrown away, and what a process is yet to rename stays', async () => {
    const it = drain();
    await it.until(/^READY$/m);
    const written = task(40, 0.5);
    await it.until(/^FROZEN/m);
    it.child.stdin.end();
    expect(await written).to.equal(0);
    await it.ended;
    expect(readdirSync(join(directory, 'root/room'))).to.deep.equal([]);
  });

  it('a disk that fills up in the middle does not harm the task', async function () {
    if (process.geteuid?.() !== 0) return this.skip();
    const out = join(directory, 'small');
    mkdirSync(out);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', out]);
    try {
      const it = drain(out);
      await it.until(/^READY$/m);
      const written = task(100);
      await it.until(/^FROZEN/m);
      it.say('GO');
      expect(await written, 'all of it was taken').to.equal(0);
      expect(await it.until(/^FAILED/m)).to.match(/^FAILED errno=28 No space left on device$/m);
      it.say('END');
      expect(await it.ended).to.equal(1);
    } finally {
      execFileSync('umount', [out]);
    }
  });

  it('an image of a process that nobody knew of is taken too; links in the room are not followed', async () => {
    const it = drain();
    await it.until(/^READY$/m);
    const room = join(directory, 'root/room');
    const stray = 'ckpt_child_1-41000-3.dmtcp';
    writeFileSync(join(room, stray), 'an image');
    writeFileSync(join(directory, 'secret'), 'secret');
    execFileSync('ln', ['-s', join(directory, 'secret'), join(room, 'ckpt_link_1-42000-4.dmtcp')]);
    it.say('END');
    expect(await it.ended).to.equal(0);
    expect(readdirSync(join(directory, 'out'))).to.deep.equal([stray]);
    expect(readFileSync(join(directory, 'out', stray), 'utf8')).to.equal('an image');
  });
});
