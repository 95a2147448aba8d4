import assert from 'node:assert/strict';
import type { GuestLink } from '../../portlayer/plugin/executor.js';
import { type Bench, deadline } from './bench.js';
import { rejection } from './rejection.js';

const ask = 'sleep 0.1; out=$(checkpoint --mechanism exit-code --label k=v); echo "answer $? $out"';
const crid = '01M7XYRPTFTCMQ4RV1ZW8XGYWC';

/** The guest link: triggers out, answers in. For executors whose loader has `trigger`. */
export function linkChecks(bench: () => Bench): void {
  describe('guest link', () => {
    before(function () {
      if (!bench().loader.capabilities.includes('trigger')) this.skip();
    });

    it('carries a trigger out and its answer back', async () => {
      const uid = await bench().start(ask);
      const link = await bench().executor.link(uid, deadline());
      const trigger = await next(link, 'TRIGGER');
      assert.match(trigger, /^TRIGGER v=1 inc=[0-9a-f]{16} seq=\d+ mech=exit-code /);
      assert.match(trigger, / label\.k=v/);
      link.send(answerTo(trigger, `result=id value=7 crid=${crid}`));
      await bench().wait(uid);
      link.close();
      assert.match(await bench().output(uid), new RegExp(`answer 0 ${crid}`));
    });

    it('carries a refusal with its reason', async () => {
      const uid = await bench().start(ask.replace('2>&1', '').replace('k=v)', 'k=v 2>&1)'));
      const link = await bench().executor.link(uid, deadline());
      link.send(answerTo(await next(link, 'TRIGGER'), 'result=error value=-1 reason=not%20now'));
      await bench().wait(uid);
      assert.match(await bench().output(uid), /answer 1 .*not now/);
    });

    it('delivers a trigger that was made while no service was there, and delivers it again if it was not taken', async () => {
      const uid = await bench().start(ask);
      await bench().restart();
      await new Promise(resolve => setTimeout(resolve, 500));
      const first = await bench().executor.link(uid, deadline());
      const trigger = await next(first, 'TRIGGER');
      await bench().restart();
      const second = await bench().executor.link(uid, deadline());
      assert.equal(await next(second, 'TRIGGER'), trigger);
      second.send(answerTo(trigger, `result=id value=1 crid=${crid}`));
      await bench().wait(uid);
      assert.match(await bench().output(uid), /answer 0/);
    });

    it('ends the lines of a link when the task ends, when it is closed, and when another is opened', async () => {
      const uid = await bench().start('sleep 0.5');
      const lines = async (link: GuestLink) => {
        for await (const _ of link.lines);
      };
      const first = await bench().executor.link(uid, deadline());
      const replaced = lines(first);
      const second = await bench().executor.link(uid, deadline());
      await replaced;
      const closed = lines(second);
      second.close();
      await closed;
      await lines(await bench().executor.link(uid, deadline()));
      await bench().wait(uid);
    });

    it('refuses a link to what has ended', async () => {
      const { uid } = await bench().run('true');
      await rejection(bench().executor.link(uid, deadline()), 'WRONG_STATE');
    });
  });
}

async function next(link: GuestLink, word: string): Promise<string> {
  for await (const line of link.lines) if (line.startsWith(`${word} `)) return line;
  throw new Error(`the link ended before a ${word}`);
}

function answerTo(trigger: string, rest: string): string {
  const [, inc = '', seq = ''] = / inc=(\S+) seq=(\S+)/.exec(trigger) ?? [];
  return `ANSWER inc=${inc} seq=${seq} ${rest}`;
}
