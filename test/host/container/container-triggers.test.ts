import { expect } from 'chai';
import { buildPrograms } from './programs.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const whole = ['1', '2', '3', '4', 'done'];
const rest = ['3', '4', 'done'];

/** The same program asks in each language, by signal, socket and tool. */
const askers: [string, string[]][] = [
  ['C, dynamic, by signal', ['/programs/counter-dynamic']],
  ['C, static, by signal', ['/programs/counter-static']],
  ['Python, by socket', ['python3', '/programs/counter.py']],
  ['shell, by the tool', ['sh', '/programs/counter.sh']],
];

describe("the task's own trigger", function () {
  this.timeout(60_000);
  let world: World;
  let volumes: object[];
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
    volumes = [{ source: '/usr', target: '/usr', readOnly: true }, buildPrograms(world.stateDirectory)];
  });
  afterEach(() => world?.clear());
  after(() => world?.close());

  const transcript = async (name: string) => {
    const exit = await world.dispatch.waitContainer(name, AbortSignal.timeout(20_000));
    expect(exit.code, (await world.output(name)).join('\n')).to.equal(0);
    return world.output(name);
  };
  const newest = async () => {
    const { items } = await world.dispatch.listCheckpoints({}, { size: 10 });
    expect(items).to.have.length(1);
    return items[0]!;
  };

  for (const [language, argv] of askers) {
    it(`${language}: the same transcript with criu as with exit-code, and a copy goes on from the third line`, async () => {
      await world.run('alive', argv, { volumes });
      expect(await transcript('alive')).to.deep.equal(whole);
      const checkpoint = await newest();
      expect([checkpoint.mechanism, checkpoint.source]).to.deep.equal(['criu', 'guest']);
      await world.restore(checkpoint.crid, 'copy');
      expect(await transcript('copy')).to.deep.equal(rest);
      await world.clear();

      // The executor process, whose rootfs must be whole: the host's own serves.
      const { source } = volumes[1] as { source: string };
      const spec = {
        executor: 'process',
        rootfs: undefined,
        network: 'host',
        volumes: [],
        task: { exitCode: {} },
      };
      await world.run(
        'loop',
        argv.map(part => part.replace('/programs', '/tmp/programs')),
        visible(spec, source),
      );
      expect(await transcript('loop')).to.deep.equal(whole);
      const iterated = await newest();
      expect(iterated.mechanism).to.equal('exit-code');
      await world.restore(iterated.crid, 'again');
      expect(await transcript('again')).to.deep.equal(rest);
    });
  }

  it('the askers get the id in the original and 0 in each copy, also those that asked meanwhile', async () => {
    const script =
      'for n in 1 2 3; do (sleep 0.$n; out=$(checkpoint --mechanism criu); echo "asker $n: $? $out") & done; wait; echo end; sleep 1000';
    await world.run('many', ['sh', '-c', script]);
    await world.said('many', /^end$/);
    const said = (await world.output('many')).filter(line => line.startsWith('asker')).sort();
    expect(said).to.have.length(3);
    for (const [i, line] of said.entries())
      expect(line).to.match(new RegExp(`^asker ${i + 1}: 0 [0-9A-Z]{26}$`));
    const { items } = await world.dispatch.listCheckpoints({}, { size: 10 });
    const first = items.at(-1)!;
    await world.restore(first.crid, 'copy');
    expect(await world.said('copy', /^asker 1/)).to.equal('asker 1: 10 restored');
  });

  it('a task that is not root triggers by the tool and the socket, not by a signal, and is dumped and restored as that user', async () => {
    const script = 'kill -39 1; echo "signal $?"; checkpoint --mechanism criu; echo "answer $?"; sleep 1000';
    await world.run('user', ['sh', '-c', script], { task: { user: { uid: 65534, gid: 65534 } } });
    expect(await world.said('user', /^signal/)).to.equal('signal 1');
    const answer = await world.said('user', /^answer/);
    expect(answer).to.equal('answer 0');
    const { crid } = await newest();
    await world.restore(crid, 'copy');
    expect(await world.said('copy', /^answer/)).to.equal('answer 10');
    const owners =
      'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; sed -n "s/^Uid:.//p" $p/status; done 2>/dev/null';
    expect(await world.exec('copy', owners)).to.match(/sleep 1000 65534/);
  });

  it('a copy asks again, and its copy answers', async () => {
    const script = 'checkpoint; echo "first $?"; checkpoint; echo "second $?"; sleep 1000';
    await world.run('one', ['sh', '-c', script]);
    await world.said('one', /^second 0/);
    const { items } = await world.dispatch.listCheckpoints({}, { size: 10 });
    await world.restore(items.at(-1)!.crid, 'two');
    await world.said('two', /^first 10$/);
    await world.said('two', /^second 0$/);
    const after = await world.dispatch.listCheckpoints({ container: 'two' }, { size: 10 });
    await world.restore(after.items[0]!.crid, 'three');
    await world.said('three', /^second 10$/);
  });

  it('refuses by policy with the reason, and the task goes on', async () => {
    await world.run('shut', ['sh', '-c', 'checkpoint; echo "answer $?"; sleep 1000'], {
      trigger: { allow: false },
    });
    await world.said('shut', /^answer 1$/);
    expect((await world.output('shut')).join('\n')).to.include('TRIGGER_DENIED');
  });

  /** The process executor hides the state directory; a copy of the programs elsewhere is seen. */
  function visible(spec: object, source: string): Record<string, unknown> {
    return { ...spec, volumes: [{ source, target: '/tmp/programs', readOnly: true }] };
  }
});
