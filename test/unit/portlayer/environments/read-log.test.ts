import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLocalHost } from '../../../../portlayer/environments/local/local-host.js';
import { readLog } from '../../../../portlayer/environments/monitor/read-log.js';

describe('reading a log', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'read-log-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const line = (n: number) => `2026-11-21T01:02:03.${String(n).padStart(9, '0')}Z stdout F ${n}\n`;
  const read = (follow: boolean, isOver: () => Promise<boolean> = async () => true, more: object = {}) =>
    readLog(
      createLocalHost({ name: 'local', stateDirectory: directory, initBinary: '' }),
      directory,
      { follow, ...more },
      isOver,
      AbortSignal.timeout(10_000),
    );

  it('gives nothing where there is no log', async () => {
    for await (const entry of read(true)) expect.fail(entry.text);
  });

  it('begins with the oldest file', async () => {
    await writeFile(join(directory, 'log.2'), line(1));
    await writeFile(join(directory, 'log.1'), line(2));
    await writeFile(join(directory, 'log'), line(3));
    const seen: string[] = [];
    for await (const entry of read(false)) seen.push(entry.text);
    expect(seen).to.deep.equal(['1', '2', '3']);
  });

  it('leaves out what is not of the form, and the line whose end is not written yet', async () => {
    await writeFile(join(directory, 'log'), `${line(1)}garbage\n${line(2)}2026-11-21T01`);
    const seen: string[] = [];
    for await (const entry of read(false)) seen.push(entry.text);
    expect(seen).to.deep.equal(['1', '2']);
  });

  it('follows through rotations, also two between two looks', async () => {
    await writeFile(join(directory, 'log'), line(1));
    let step = 0;
    const steps = [
      async () => appendFile(join(directory, 'log'), line(2)),
      async () => {
        await appendFile(join(directory, 'log'), line(3));
        await rename(join(directory, 'log'), join(directory, 'log.2'));
        await writeFile(join(directory, 'log.1'), line(4));
        await writeFile(join(directory, 'log'), line(5) + line(6));
      },
      async () => appendFile(join(directory, 'log'), line(7)),
    ];
    const isOver = async () => {
      await steps[step]?.();
      return ++step > steps.length;
    };
    const seen: string[] = [];
    for await (const entry of read(true, isOver)) seen.push(entry.text);
    expect(seen).to.deep.equal(['1', '2', '3', '4', '5', '6', '7']);
  });

  it('goes on with the oldest file where rotation removed the one it was in', async () => {
    await writeFile(join(directory, 'log'), line(1));
    let looks = 0;
    const isOver = async () => {
      if (looks === 0) await writeFile(join(directory, 'log'), line(9));
      return ++looks > 1;
    };
    const seen: string[] = [];
    for await (const entry of read(true, isOver)) seen.push(entry.text);
    expect(seen).to.deep.equal(['1', '9']);
  });
});
