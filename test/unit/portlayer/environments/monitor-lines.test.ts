import { expect } from 'chai';
import { exitOfLine } from '../../../../portlayer/environments/monitor/exit-result.js';
import { createGuestLines } from '../../../../portlayer/environments/monitor/guest-lines.js';
import { createLineSplitter } from '../../../../portlayer/environments/monitor/line-splitter.js';
import { parseLogLine } from '../../../../portlayer/environments/monitor/log-line.js';
import { parseMonitorLine } from '../../../../portlayer/environments/monitor/monitor-line.js';

describe("the monitor's lines", () => {
  it('are taken apart and decoded', () => {
    const line = parseMonitorLine('EXIT code=3 signal=0 at-ms=17 failure=a%20b%C3%A9');
    expect(line?.word).to.equal('EXIT');
    expect(line?.values.get('failure')).to.equal('a bé');
  });

  for (const bad of [
    '',
    'exit code=1',
    'EXIT code',
    'EXIT  code=1',
    'EXIT code=a b',
    'EXIT code=%4',
    'EXIT C=1',
    'EXIT \u0000',
  ]) {
    it(`are refused where they have not their form: ${JSON.stringify(bad)}`, () => {
      expect(parseMonitorLine(bad)).to.equal(undefined);
    });
  }

  it('give an exit with numbers within bounds whatever they say', () => {
    const line = parseMonitorLine('EXIT code=99999 signal=-1 at-ms=x');
    if (!line) throw new Error('not parsed');
    const exit = exitOfLine(line);
    expect([exit.code, exit.signal, exit.failure]).to.deep.equal([255, 0, undefined]);
    expect(exit.atMs).to.be.closeTo(Date.now(), 5_000);
  });

  it('tell want of memory only where they say oom=1', () => {
    const exits = ['oom=1', 'oom=0', 'failure='].map(more => {
      const line = parseMonitorLine(`EXIT code=137 signal=9 at-ms=17 ${more}`);
      return line && exitOfLine(line).oomKilled;
    });
    expect(exits).to.deep.equal([true, false, false]);
  });

  it('are split wherever the chunks are cut', () => {
    const bytes = Buffer.from('A x=1\nB\n\nC y=2\n');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const split = createLineSplitter();
      const lines = [...(split(bytes.subarray(0, cut)) ?? []), ...(split(bytes.subarray(cut)) ?? [])];
      expect(lines).to.deep.equal(['A x=1', 'B', '', 'C y=2']);
    }
  });

  it('end the connection when one is longer than the protocol allows', () => {
    const split = createLineSplitter();
    expect(split(Buffer.from(`OK\n${'x'.repeat(1029)}`))).to.deep.equal(['OK']);
    expect(split(Buffer.from('xx'))).to.equal(undefined);
    expect(split(Buffer.from('\nOK\n'))).to.equal(undefined);
  });
});

describe('guest lines', () => {
  const setUp = () => {
    let acknowledged = 0;
    const lines = createGuestLines(() => acknowledged++);
    return { lines, acknowledged: () => acknowledged };
  };

  it('are acknowledged when the reader asks for the next, not before', async () => {
    const { lines, acknowledged } = setUp();
    lines.push('a');
    lines.push('b');
    const reader = lines.read(new AbortController().signal)[Symbol.asyncIterator]();
    expect((await reader.next()).value).to.equal('a');
    expect(acknowledged()).to.equal(0);
    expect((await reader.next()).value).to.equal('b');
    expect(acknowledged()).to.equal(1);
  });

  it('are not acknowledged on a new connection for what came on the old', async () => {
    const { lines, acknowledged } = setUp();
    lines.push('a');
    const reader = lines.read(new AbortController().signal)[Symbol.asyncIterator]();
    await reader.next();
    lines.forget();
    lines.push('a');
    expect((await reader.next()).value).to.equal('a');
    expect(acknowledged()).to.equal(0);
  });

  it('come again to the next reader if the last did not finish with them', async () => {
    const { lines } = setUp();
    lines.push('a');
    const first = new AbortController();
    const reader = lines.read(first.signal)[Symbol.asyncIterator]();
    await reader.next();
    first.abort();
    expect((await lines.read(new AbortController().signal)[Symbol.asyncIterator]().next()).value).to.equal(
      'a',
    );
  });

  it('end with the container, after those that are there', async () => {
    const { lines } = setUp();
    lines.push('a');
    lines.end();
    const all: string[] = [];
    for await (const line of lines.read(new AbortController().signal)) all.push(line);
    expect(all).to.deep.equal(['a']);
  });
});

describe('a log line', () => {
  it('is read in the form of a kubelet', () => {
    const entry = parseLogLine('2026-11-21T01:02:03.456000004Z stderr P some  text');
    expect(entry).to.deep.equal({
      stream: 'stderr',
      atMs: Date.UTC(2026, 10, 21, 1, 2, 3, 456),
      text: 'some  text',
      endsLine: false,
    });
  });

  it('may be empty, and is nothing in any other form', () => {
    expect(parseLogLine('2026-11-21T01:02:03.000000004Z stdout F ')?.text).to.equal('');
    expect(parseLogLine('hello')).to.equal(undefined);
    expect(parseLogLine('2026-11-21T01:02:03Z stdout F x')).to.equal(undefined);
  });
});
