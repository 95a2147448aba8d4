import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import {
  build,
  Control,
  compile,
  type Monitored,
  monitored,
  type Place,
  type Said,
  whyNot,
} from './monitored.js';

const ask = 'CHECKPOINT v=1 mech=any timeout-ms=20000';

/** Answers a trigger as the service does. */
function answer(control: Control, trigger: Said, words: string): void {
  control.send('ACK n=1');
  control.send(`ANSWER inc=${trigger.values.inc} seq=${trigger.values.seq} ${words}`);
}

async function serve(container: Monitored): Promise<Control> {
  const control = await container.control();
  await control.next('STARTED');
  control.send('ACK n=1');
  return control;
}

describe('a trigger', function () {
  this.timeout(30_000);
  let asker: string;
  before(() => {
    build();
    asker = compile('asker');
  });
  after(() => rmSync(dirname(asker), { recursive: true, force: true }));

  for (const place of ['root', 'unprivileged', 'no namespaces'] satisfies Place[]) {
    describe(`in the place "${place}"`, () => {
      before(function () {
        const reason = whyNot(place);
        if (reason !== undefined) {
          console.log(`      skipped: ${reason}`);
          this.skip();
        }
      });

      it('made by signal gets the ordinal, 0 in a copy, -1 on refusal, -2 to exit', async () => {
        await using container = monitored({
          place,
          script: '$A 2; $A 0; $A 4; $A 1; $A 77; sleep 100',
          env: { A: asker },
        });
        using control = await serve(container);
        const first = await control.next('TRIGGER');
        expect(first.values).to.include({ v: '1', seq: '1', mech: 'criu', from: 'signal' });
        answer(control, first, 'result=id value=41 crid=01ABC');
        await container.printed('answer 41');
        const second = await control.next('TRIGGER');
        expect(second.values).to.include({ inc: first.values.inc!, seq: '2', mech: 'any' });
        answer(control, second, 'result=error reason=quota');
        await container.printed('answer -1');
        const third = await control.next('TRIGGER');
        expect(third.values).to.include({ seq: '3', mech: 'exit-code' });
        answer(control, third, 'result=exit code=85');
        await container.printed('answer -2');
        const fourth = await control.next('TRIGGER');
        expect(fourth.values).to.include({ seq: '4', mech: 'vmfork' });
        control.send('ACK n=1');
        control.send(
          `ANSWER inc=${fourth.values.inc} result=restored gen=${'ab'.repeat(16)} seed=${'0f'.repeat(32)} crid=01DEF`,
        );
        await container.printed('answer 0');
        const ready = await control.next('READY');
        expect(ready.values).to.include({ gen: 'ab'.repeat(16) });
        expect(ready.values.inc)
          .to.match(/^[0-9a-f]{16}$/)
          .and.not.equal(first.values.inc);
        await container.printed('answer -1\nanswer -2\nanswer 0\nanswer -1\n');
      });

      it("made by the tool prints and ends as the tool's help says", async () => {
        const script =
          't() { "$I" checkpoint "$@"; echo "code $?"; }; t --mechanism criu --label a=1 --label b.c="x y" --timeout 20; t; t; t; sleep 100';
        await using container = monitored({ place, script });
        using control = await serve(container);
        const first = await control.next('TRIGGER');
        expect(first.values).to.include({
          mech: 'criu',
          from: 'tool',
          'timeout-ms': '20000',
          'label.a': '1',
          'label.b.c': 'x y',
        });
        answer(control, first, 'result=id value=1 crid=01HZX');
        await container.printed('01HZX\ncode 0');
        answer(control, await control.next('TRIGGER'), 'result=error reason=no%20room');
        await container.printed('checkpoint: no room');
        answer(control, await control.next('TRIGGER'), 'result=exit code=77');
        await container.printed('code 77');
        const last = await control.next('TRIGGER');
        control.send(`ANSWER inc=${last.values.inc} result=restored gen=${'01'.repeat(16)}`);
        await container.printed('restored\ncode 10');
      });
    });
  }

  it('made by socket is answered without incarnation, sequence and seed', async () => {
    await using container = monitored({ script: 'sleep 100' });
    using control = await serve(container);
    using socket = await Control.to(container.socket);
    socket.send(ask);
    const trigger = await control.next('TRIGGER');
    expect(trigger.values).to.include({ from: 'socket', pid: String(process.pid) });
    control.send('ACK n=1');
    control.send(
      `ANSWER inc=${trigger.values.inc} result=restored gen=${'ab'.repeat(16)} seed=${'0f'.repeat(32)} crid=01DEF`,
    );
    expect((await socket.next('ANSWER')).values).to.deep.equal({
      result: 'restored',
      value: '0',
      crid: '01DEF',
    });
    await socket.end();
    const ready = await control.next('READY');
    const monitors = control.said.filter(said => said.word === 'MONITOR');
    expect(monitors.at(-1)?.values.inc).to.equal(ready.values.inc);
  });

  it('is shared by those who ask for the same, and refused to who names another mechanism', async () => {
    await using container = monitored({ script: 'sleep 100' });
    using control = await serve(container);
    const askers: Control[] = [];
    for (const mech of ['criu', 'criu', 'any', 'criu']) {
      const socket = await Control.to(container.socket);
      socket.send(`CHECKPOINT v=1 mech=${mech} timeout-ms=20000`);
      askers.push(socket);
    }
    const trigger = await control.next('TRIGGER');
    using other = await Control.to(container.socket);
    other.send('CHECKPOINT v=1 mech=dmtcp timeout-ms=20000');
    expect((await other.next('ANSWER')).values).to.include({ result: 'error', reason: 'busy' });
    answer(control, trigger, 'result=id value=5 crid=01X');
    for (const socket of askers) {
      expect((await socket.next('ANSWER')).values).to.include({ result: 'id', value: '5', crid: '01X' });
      socket[Symbol.dispose]();
    }
    expect(control.said.filter(said => said.word === 'TRIGGER')).to.deep.equal([]);
  });

  it('waits for a service, and is sent again until it is acknowledged', async () => {
    await using container = monitored({ script: '"$I" checkpoint; sleep 100' });
    for (let i = 0; i < 2; i++) {
      using control = await container.control();
      await control.next('STARTED');
      expect((await control.next('TRIGGER')).values.seq).to.equal('1');
    }
    using control = await container.control();
    await control.next('STARTED');
    const trigger = await control.next('TRIGGER');
    control.send('ACK n=2');
    using next = await container.control();
    next.send(`ANSWER inc=${trigger.values.inc} seq=1 result=id value=1 crid=LATE`);
    await container.printed('LATE');
    expect(next.said.filter(said => said.word !== 'MONITOR')).to.deep.equal([]);
    next.send('ACK n=1');
    expect((await next.next('ERR')).values.reason).to.equal('bad-ack');
  });

  it('is given up for the asker whose time is up, and goes on', async () => {
    await using container = monitored({
      script: '"$I" checkpoint --timeout 0.3; "$I" checkpoint; sleep 100',
    });
    using control = await serve(container);
    await container.printed('checkpoint: timeout');
    const first = await control.next('TRIGGER');
    const second = await control.next('TRIGGER');
    expect([first.values.seq, second.values.seq]).to.deep.equal(['1', '2']);
    control.send('ACK n=2');
    control.send(`ANSWER inc=${first.values.inc} seq=1 result=id value=1 crid=STALE`);
    control.send(`ANSWER inc=${'0'.repeat(16)} seq=2 result=id value=1 crid=FOREIGN`);
    control.send(`ANSWER inc=${first.values.inc} seq=2 result=id value=2 crid=FRESH`);
    await container.printed('FRESH');
    expect(container.output()).not.to.match(/STALE|FOREIGN/);
  });

  it('is refused to the sixty-fifth asker', async () => {
    await using container = monitored({ script: 'sleep 100' });
    using control = await serve(container);
    const askers: Control[] = [];
    try {
      for (let i = 0; i < 64; i++) {
        const socket = await Control.to(container.socket);
        socket.send(ask);
        askers.push(socket);
      }
      const trigger = await control.next('TRIGGER');
      using late = await Control.to(container.socket);
      late.send(ask);
      expect((await late.next('ANSWER')).values.reason).to.equal('too-many-askers');
      answer(control, trigger, 'result=id value=1 crid=01X');
      for (const socket of askers) await socket.next('ANSWER');
    } finally {
      for (const socket of askers) socket[Symbol.dispose]();
    }
  });

  it('reaches the init that the service names after a restore', async () => {
    await using container = monitored({ script: 'sleep 100' });
    using control = await container.control();
    const started = await control.next('STARTED');
    const init = control.said.filter(said => said.word === 'MONITOR').at(-1)?.values.init;
    control.send(`INIT pid=${init}`);
    control.send(`ANSWER inc=${started.values.inc} result=restored gen=${'01'.repeat(16)}`);
    expect((await control.next('READY')).values.gen).to.equal('01'.repeat(16));
  });

  it('is refused by the tool when its usage is wrong, or there is no init', async () => {
    await using container = monitored({
      script:
        't() { "$I" checkpoint "$@"; echo "code $?"; }; t --help; t --label; t --mechanism "A B"; t x; PORTLAYER_SOCKET=/none t',
    });
    await container.exited();
    expect(container.output().match(/code \d+/g)).to.deep.equal([
      'code 0',
      'code 2',
      'code 2',
      'code 2',
      'code 1',
    ]);
  });
});
