import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { createTriggerGate } from '../../../../portlayer/policy/trigger-gate.js';
import { createRig, fakeSpec } from './rig.js';

const FLOOD = 10_000;
const incarnation = '0123456789abcdef';

describe('a guest that triggers 10,000 times', () => {
  it('has one checkpoint at a time, then loses its link; what was heard is audited, and the service answers on', async function () {
    this.timeout(120_000);
    const rig = await createRig();
    let together = 0;
    let most = 0;
    rig.world.before = async operation => {
      if (operation !== 'dump') return;
      together += 1;
      most = Math.max(most, together);
      await sleep(5);
      together -= 1;
    };
    rig.task('floods', ({ say }) => {
      for (let seq = 1; seq <= FLOOD; seq++)
        say(`TRIGGER v=1 inc=${incarnation} seq=${seq} mech=any timeout-ms=0 from=socket`);
      return new Promise(() => {});
    });
    const audited = () =>
      readFileSync(join(rig.directory, 'audit.log'), 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as Record<string, string>)
        .filter(line => line.who === 'guest a');
    try {
      await rig.dispatch.createContainer('', fakeSpec('a', 'floods', { trigger: { perMinute: 5 } }));
      await rig.dispatch.startContainer('', 'a');
      const settled = () =>
        most > 0 && together === 0 && audited().some(line => line.what === 'link-dropped');
      for (const until = Date.now() + 60_000; !settled() && Date.now() < until; await sleep(10))
        expect((await rig.dispatch.getContainer('a')).state).to.equal('running');
      for (const until = Date.now() + 30_000; Date.now() < until; await sleep(10))
        if (audited().filter(line => line.what === 'trigger').length >= 200) break;
      const taken = (await rig.dispatch.listCheckpoints({}, { size: 1000 })).items.length;
      expect(most).to.equal(1);
      expect(taken).to.be.within(1, 5);
      const lines = audited();
      const triggers = lines.filter(line => line.what === 'trigger');
      // As many as the link takes in a second, each with its line; the rest never got further than the link.
      expect(triggers.length).to.be.within(200, 1000);
      const allowed = triggers.filter(line => line.outcome === 'allowed');
      expect(allowed).to.have.length(taken);
      for (const line of triggers.filter(each => each.outcome === 'refused'))
        expect(line.why).to.match(/^(RATE_LIMITED|OPERATION_PENDING): /);
      // A flood is a handful of events, which say how many refusals they stand for.
      const events: string[] = [];
      for await (const event of rig.dispatch.events(1, false, new AbortController().signal))
        events.push(event.type);
      expect(events.filter(type => type === 'trigger-refused').length).to.be.within(1, 50);
    } finally {
      await rig.close();
    }
  });

  it('gets no more through the gate than its rate, however it spreads them', () => {
    const gate = createTriggerGate();
    const policy = { allow: true, mechanisms: [], perMinute: 60 };
    const outcomes = new Map<string, number>();
    // Ten a millisecond for a second, each answered before the next.
    for (let i = 0; i < FLOOD; i++) {
      let outcome = 'admitted';
      try {
        gate.admit('a', policy, 'any', i / 10, () => ({ checkpoints: 0, bytes: 0 }))();
      } catch (caught) {
        outcome = PortLayerError.from(caught).code;
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(outcomes.get('admitted')).to.be.within(60, 61);
    expect([...outcomes.keys()].sort()).to.deep.equal(['RATE_LIMITED', 'admitted']);
  });
});
