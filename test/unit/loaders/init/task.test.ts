import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { build, monitored, type Place, until, whyNot } from './monitored.js';

const places = ['root', 'unprivileged', 'no namespaces'] satisfies Place[];

describe('the init and its task', function () {
  this.timeout(30_000);
  before(build);

  for (const place of places) {
    describe(`in the place "${place}"`, () => {
      before(function () {
        const reason = whyNot(place);
        if (reason !== undefined) {
          console.log(`      skipped: ${reason}`);
          this.skip();
        }
      });

      it('sends signals of the service on to the task', async () => {
        await using container = monitored({
          place,
          script:
            'trap "echo got USR1" USR1; trap "echo got TERM; exit 9" TERM; echo ready; while :; do sleep 0.05; done',
        });
        await container.printed('ready');
        using control = await container.control();
        control.send('SIGNAL n=10');
        await container.printed('got USR1');
        control.send('SIGNAL n=15');
        expect(await container.exited()).to.include({ code: '9' });
        // The whole process group gets it: the shell also tells what became of its `sleep`.
        expect(container.output().match(/^(ready|got .*)$/gm)).to.deep.equal([
          'ready',
          'got USR1',
          'got TERM',
        ]);
      });

      it('freezes what is just about to execute a program, time and again', async () => {
        await using container = monitored({
          place,
          script: 'while :; do /bin/true; done',
          init: ['--mkdir', '/tmp'],
        });
        using control = await container.control();
        await control.next('STARTED');
        for (let round = 0; round < 60; round++) {
          control.send('FREEZE');
          await control.next('OK');
          control.send('THAW');
          await control.next('OK');
          await sleep(round % 7);
        }
      }).timeout(30_000);

      it('freezes and thaws everything it started', async () => {
        await using container = monitored({
          place,
          script: 'while :; do date +%N >> $D/beat; sleep 0.02; done',
          init: ['--mkdir', '/tmp'],
        });
        const beats = () => {
          try {
            return readFileSync(`${container.directory}/beat`, 'utf8').length;
          } catch {
            return 0;
          }
        };
        await until(
          () => beats() > 50 || undefined,
          5000,
          () => 'it does not run',
        );
        using control = await container.control();
        control.send('FREEZE');
        await control.next('OK');
        const frozen = beats();
        await sleep(300);
        expect(beats()).to.equal(frozen);
        control.send('THAW');
        await control.next('OK');
        await until(
          () => beats() > frozen || undefined,
          5000,
          () => 'it stays frozen',
        );
      });

      it('is killed with everything it started, frozen or not', async () => {
        await using container = monitored({
          place,
          script: 'setsid sleep 100 & setsid sh -c "trap : TERM; sleep 100; sleep 100" & echo up; wait',
        });
        await container.printed('up');
        using control = await container.control();
        control.send('FREEZE');
        await control.next('OK');
        control.send('KILL');
        expect(await container.exited(3000)).to.include({ code: '137', signal: '9' });
      });

      it('tells a command that is not there from one that cannot be executed', async () => {
        await using absent = monitored({ place, script: '', argv: ['/no/such/thing'] });
        expect(await absent.exited()).to.include({
          code: '127',
          failure: 'exec /no/such/thing: No such file or directory',
        });
        await using directory = monitored({ place, script: '', argv: ['/etc'] });
        expect(await directory.exited()).to.include({ code: '126' });
      });
    });
  }

  it('reports what failed in the set-up and ends with 125', async () => {
    await using container = monitored({ script: 'true', init: ['--cwd', '/no/such/place'] });
    using control = await container.control().catch(() => undefined!);
    expect(await container.exited()).to.include({
      code: '125',
      failure: 'chdir /no/such/place: No such file or directory',
    });
    void control;
  });

  it('runs the task as the user and group it was told, with no other groups', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    await using container = monitored({
      script: 'id -u; id -g; id -G; grep -E "NoNewPrivs|CapEff|CapBnd" /proc/self/status',
      init: ['--uid', '1234', '--gid', '567', '--drop-capabilities'],
    });
    await container.exited();
    expect(container.output()).to.match(
      /^1234\n567\n567\nCapEff:\t0000000000000000\nCapBnd:\t00000000a[08]0425[fd]b\nNoNewPrivs:\t1\n$/,
    );
  });

  it("leaves root docker's fourteen capabilities", async function () {
    if (process.getuid?.() !== 0) return this.skip();
    await using container = monitored({
      script: 'grep -E "CapEff|CapPrm" /proc/self/status',
      init: ['--drop-capabilities'],
    });
    await container.exited();
    expect(container.output()).to.equal('CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n');
  });

  it('gives the task default signals, its own session and an empty standard input', async () => {
    await using container = monitored({
      script: 'grep -E "SigBlk|SigIgn" /proc/self/status; cat; ps -o sid= -p $$ | tr -d " "; echo $$',
    });
    await container.exited();
    const [blocked, ignored, session, self] = container.output().trimEnd().split('\n');
    expect([blocked, ignored]).to.deep.equal(['SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000']);
    expect(session).to.equal(self);
  });

  it('has the environment that was meant for it, and no other, where that comes under other names', async () => {
    await using container = monitored({
      script: "env | grep -Ev '^(PORTLAYER_|_=|PWD=)' | sort",
      init: ['--env-prefix', 'P_'],
      env: { P_LD_PRELOAD: '', P_PATH: '/usr/bin:/bin', P_A: 'b c=d%', OTHER: 'x' },
    });
    await container.exited();
    expect(container.output()).to.equal('A=b c=d%\nLD_PRELOAD=\nPATH=/usr/bin:/bin\n');
  });

  it('finds the loopback up where there is a network of its own', async function () {
    if (whyNot('root') !== undefined) return this.skip();
    for (const [init, flags] of [
      [[], '0x8'],
      [['--loopback-up'], '0x9'],
    ] as const) {
      await using container = monitored({
        place: 'root',
        script: 'mount -t sysfs none /sys && cat /sys/class/net/lo/flags',
        init,
        isolate: ['--net'],
      });
      await container.exited();
      expect(container.output()).to.equal(`${flags}\n`);
    }
  });

  it('waits for everything where it was told to', async () => {
    await using container = monitored({
      script: '(sleep 0.6; echo late; exit 85) & exit 0',
      init: ['--wait-all'],
    });
    expect(await container.exited()).to.include({ code: '85' });
    expect(container.output()).to.equal('late\n');
  });
});
