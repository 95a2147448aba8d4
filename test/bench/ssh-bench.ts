import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalEnvironment } from '../../portlayer/environments/local/local-environment.js';
import { carryDirectory } from '../../portlayer/environments/travel/carry.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { initBinary } from '../host/process/subject.js';
import { type RemoteEnvironment, remoteEnvironment } from '../host/ssh/remote-environment.js';
import { whyNoSshd } from '../host/ssh/sshd.js';
import { type Bench, type Row, skippedRow } from './row.js';

const ROUNDS = 40;
const IMAGE_MIB = 1024;
const ROUND_TRIP = '<= 1.2 x ssh with ControlMaster';
const PUSH = '>= 0.8 x scp';

/** A remote host on loopback: the round trip of a command, and the push of an image that is not there. */
export const sshBench: Bench = {
  name: 'ssh',
  async run() {
    const reason = whyNoSshd();
    if (reason !== undefined)
      return [
        skippedRow('command round trip', ROUND_TRIP, reason),
        skippedRow('push of 1 GiB', PUSH, reason),
      ];
    const there = await remoteEnvironment();
    try {
      return [await roundTrip(there), await push(there)];
    } finally {
      await there.cleanUp();
    }
  },
};

function loginOf({ sshd }: RemoteEnvironment): { options: readonly string[]; login: string } {
  const { directory, port } = sshd;
  const settings = [
    `UserKnownHostsFile=${directory}/known_hosts`,
    `IdentityFile=${directory}/user`,
    `Port=${port}`,
  ];
  return {
    options: ['-F', 'none', ...settings.flatMap(setting => ['-o', setting])],
    login: 'root@127.0.0.1',
  };
}

async function roundTrip(there: RemoteEnvironment): Promise<Row> {
  const { options, login } = loginOf(there);
  const shared = [...options, '-o', `ControlPath=${there.sshd.directory}/control`];
  const master = spawn('ssh', [...shared, '-M', '-N', login], { stdio: 'ignore' });
  try {
    while (spawnSync('ssh', [...shared, '-O', 'check', login]).status !== 0) await sleep(100);
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await timed(() => there.host.run(['true'])));
      theirs.push(await timed(async () => spawnSync('ssh', [...shared, login, 'true'])));
    }
    const [mine, other] = [median(ours), median(theirs)];
    return {
      what: 'command round trip',
      ours: `${mine.toFixed(1)} ms`,
      floor: `ssh with ControlMaster ${other.toFixed(1)} ms`,
      ratio: (mine / other).toFixed(2),
      target: ROUND_TRIP,
      reached: mine <= 1.2 * other,
      figures: { oursMs: mine, controlMasterMs: other },
    };
  } finally {
    master.kill();
  }
}

async function push(there: RemoteEnvironment): Promise<Row> {
  const { directory } = there.sshd;
  const from = `${directory}/image`;
  mkdirSync(from);
  spawnSync('dd', ['if=/dev/urandom', `of=${from}/memory`, 'bs=1M', `count=${IMAGE_MIB}`]);
  const local = await createLocalEnvironment({ stateDirectory: `${directory}/local`, initBinary });
  const { options, login } = loginOf(there);
  const ours = await timed(() =>
    carryDirectory(
      { host: local.host as Host, path: from },
      { host: there.host, path: `${directory}/carried` },
      AbortSignal.timeout(600_000),
    ),
  );
  rmSync(`${directory}/carried`, { recursive: true });
  const scp = await timed(async () =>
    spawnSync('scp', ['-q', ...options, `${from}/memory`, `${login}:${directory}/copied`]),
  );
  return {
    what: `push of ${IMAGE_MIB} MiB, nothing there, digested on both sides`,
    ours: `${((IMAGE_MIB / ours) * 1000).toFixed(0)} MiB/s`,
    floor: `scp ${((IMAGE_MIB / scp) * 1000).toFixed(0)} MiB/s`,
    ratio: (scp / ours).toFixed(2),
    target: PUSH,
    reached: scp / ours >= 0.8,
    figures: { oursMs: ours, scpMs: scp },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
