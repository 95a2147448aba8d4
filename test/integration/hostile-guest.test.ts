import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

/** Garbage, half lines, over-long lines and floods on both sockets; then a burst of well-formed triggers; bounded, ends by itself. */
const EVIL = `
const { connect } = require('node:net');
const once = (path, text, half) => new Promise(done => {
  const socket = connect(path);
  socket.on('error', done).on('close', done);
  socket.on('data', () => socket.end());
  socket.write(text, () => half && socket.end());
  setTimeout(() => socket.destroy(), 200);
});
(async () => {
  const garbage = ['\\0\\x01\\xff', 'HELLO', 'TRIGGER v=1 inc=0000000000000000', 'A'.repeat(5000), 'X a=b\\n'.repeat(100)];
  for (let i = 0; i < 200; i++) {
    const text = garbage[i % garbage.length];
    await Promise.all(['relay.sock', 'checkpoint.sock'].map(name => once('/run/portlayer/' + name, text, i % 2)));
  }
  for (let i = 0; i < 40; i++) {
    const ask = 'CHECKPOINT v=1 mech=vmfork timeout-ms=1000 label.evil=yes\\n';
    await Promise.all(Array.from({ length: 25 }, () => once('/run/portlayer/checkpoint.sock', ask, false)));
  }
  console.log('done with it');
})();`;

const GOOD =
  'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; [ $n -lt 40 ] && { checkpoint || exit $?; }; exit 0';

describe('a hostile guest', function () {
  this.timeout(120_000);
  let service: ServiceUnderTest;

  before(async () => {
    service = serviceUnderTest();
    await service.start();
  });
  after(() => service.close());

  it('is limited and audited, and nobody else notices', async () => {
    const { client, stateDirectory } = service;
    await client.createContainer({
      name: 'evil',
      task: { argv: [process.execPath, '-e', EVIL] },
      trigger: { perMinute: 5 },
    });
    await client.createContainer({ name: 'good', task: { argv: ['/bin/sh', '-c', GOOD], exitCode: {} } });
    await client.startContainer('evil');
    await client.startContainer('good');
    expect(await client.waitContainer('good')).to.include({ code: 0, reason: 'completed' });
    const committed = async () => {
      const { items } = await client.listCheckpoints({ container: 'good', pageSize: 100 });
      return items.filter(c => c.state === 'committed' && c.source === 'guest').length;
    };
    // The last one is committed in the background.
    for (const until = Date.now() + 60_000; (await committed()) < 40 && Date.now() < until; )
      await sleep(100);
    expect(await committed()).to.equal(40);
    expect(await client.waitContainer('evil')).to.include({ code: 0 });

    const audit = readFileSync(join(stateDirectory, 'audit.log'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { who: string; what: string; outcome: string; why?: string });
    const evil = audit.filter(line => line.who === 'guest evil');
    expect(evil.length).to.be.greaterThan(0);
    expect(evil.filter(line => line.outcome === 'allowed')).to.have.length(0);
    expect(evil.some(line => line.why?.startsWith('RATE_LIMITED'))).to.equal(true);
    expect((await client.listCheckpoints({ container: 'evil' })).items).to.have.length(0);
  });
});
