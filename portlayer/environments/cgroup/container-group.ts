import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { ResourceSpec } from '../../model/container-spec.js';
import type { Host } from '../../plugin/host.js';
import type { CgroupLayout, Controller, ControllerPlace } from './cgroup-layout.js';
import { processTree } from './process-tree.js';

/** The cgroups of one container: one directory for each hierarchy that is used. Every call is idempotent. */
export interface ContainerGroup {
  /** Makes the groups of the limits that are set, writes them, and returns the directories that the first process must enter. */
  prepare(resources: ResourceSpec): Promise<readonly string[]>;
  /**
   * Moves the process `root` and all its descendants into the group for freezing, which {@link limit} and
   * {@link freeze} need. Not done at a start: the kernel lets a move wait for an RCU grace period, 5 to 15 ms.
   */
  join(root: number): Promise<void>;
  /** Writes limits of a running container; an absent one is lifted. Moves what runs into groups it was not in. */
  limit(resources: ResourceSpec): Promise<void>;
  /** Resolves when nothing of the group executes. Legal only where the layout has `freezer`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  frozen(): Promise<boolean>;
  /** How often the kernel killed something of it for want of memory. */
  oomKills(): Promise<number>;
  /** SIGKILL to everything in it. Resolves when it is empty, at most 10 s later. */
  kill(): Promise<void>;
  /** Removes the groups; what is still in them keeps them. */
  remove(): Promise<void>;
}

const freezeTimeoutMs = 10_000;
const cfsPeriodUs = 100_000;

/** The groups `portlayer/<uid>` of one container in the hierarchies of `layout`. */
export function containerGroup(host: Host, layout: CgroupLayout, uid: string): ContainerGroup {
  const files = host.files;
  const directory = (place: ControllerPlace) => `${place.base}/${uid}`;
  const at = (controller: Controller) => layout.places.get(controller);
  const all = () => [...new Set([...layout.places.values()].map(directory))];
  const present = async () => {
    const there = await Promise.all(all().map(path => files.exists(path)));
    return all().filter((_, i) => there[i]);
  };
  const read = (path: string) => files.read(path).then(String, () => '');
  const freezer = at('freezer');

  async function writeLimits(resources: ResourceSpec, controllers: readonly Controller[]): Promise<void> {
    for (const controller of controllers) {
      const place = at(controller);
      if (!place) continue;
      for (const [knob, value] of knobs(controller, place.version, resources)) {
        await files.writeInPlace(`${directory(place)}/${knob}`, value);
      }
    }
  }

  async function prepare(resources: ResourceSpec): Promise<readonly string[]> {
    const used = limitsOf(resources).filter(controller => at(controller));
    const directories = [...new Set(used.map(controller => directory(at(controller) as ControllerPlace)))];
    await Promise.all(directories.map(path => files.makeDirectory(path, 0o755)));
    await thaw();
    await writeLimits(resources, limitsOf(resources));
    return directories;
  }

  async function join(root: number): Promise<void> {
    if (!freezer) return;
    const path = directory(freezer);
    await files.makeDirectory(path, 0o755);
    // What is moved first takes its later children with it, so that each round finds fewer.
    for (let round = 0; round < 100; round++) {
      const inside = new Set((await read(`${path}/cgroup.procs`)).split('\n'));
      const outside = (await processTree(host, root)).filter(pid => !inside.has(pid));
      if (outside.length === 0) return;
      for (const pid of outside) await files.writeInPlace(`${path}/cgroup.procs`, pid).catch(() => {}); // It may have ended.
    }
  }

  /** A process costs about 5 ms for each hierarchy it is moved in: the kernel waits for an RCU grace period. */
  async function limit(resources: ResourceSpec): Promise<void> {
    for (const controller of ['cpu', 'memory', 'pids'] as const) {
      const place = at(controller);
      if (!place) continue;
      if (limitsOf(resources).includes(controller) && !(await files.exists(directory(place)))) {
        await files.makeDirectory(directory(place), 0o755);
        if (freezer) await moveAll(directory(freezer), directory(place));
      }
      if (await files.exists(directory(place))) await writeLimits(resources, [controller]);
    }
  }

  async function moveAll(from: string, to: string): Promise<void> {
    for (let round = 0; round < 20; round++) {
      const inside = new Set((await read(`${to}/cgroup.procs`)).split('\n'));
      const outside = (await read(`${from}/cgroup.procs`))
        .split('\n')
        .filter(pid => pid !== '' && !inside.has(pid));
      if (outside.length === 0) return;
      for (const pid of outside) await files.writeInPlace(`${to}/cgroup.procs`, pid).catch(() => {}); // It may have ended.
    }
  }

  async function setFrozen(value: boolean): Promise<void> {
    if (!freezer) return;
    const path = directory(freezer);
    const [knob, word] =
      freezer.version === 1
        ? ['freezer.state', value ? 'FROZEN' : 'THAWED']
        : ['cgroup.freeze', value ? '1' : '0'];
    await files.writeInPlace(`${path}/${knob}`, word as string);
  }

  async function frozen(): Promise<boolean> {
    if (!freezer) return false;
    const path = directory(freezer);
    if (freezer.version === 1) return (await read(`${path}/freezer.state`)).trim() === 'FROZEN';
    return /^frozen 1$/m.test(await read(`${path}/cgroup.events`));
  }

  async function freeze(): Promise<void> {
    const until = Date.now() + freezeTimeoutMs;
    await setFrozen(true);
    while (!(await frozen())) {
      if (Date.now() > until) {
        await setFrozen(false);
        throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The container could not be frozen; it runs on.', {
          required: `frozen within ${freezeTimeoutMs} ms`,
          found: 'a process that the kernel does not stop, for example one waiting for a disk',
          remedy: 'See what its processes wait for (ps -o pid,stat,wchan), and repeat the call.',
          facts: { uid },
        });
      }
      await sleep(2);
      await setFrozen(true); // The v1 freezer gives up on a task that was about to exec; writing again tries again.
    }
  }

  async function thaw(): Promise<void> {
    if (freezer && (await files.exists(directory(freezer)))) await setFrozen(false);
  }

  async function kill(): Promise<void> {
    const until = Date.now() + freezeTimeoutMs;
    const path = freezer ? directory(freezer) : (await present())[0];
    if (path === undefined || !(await files.exists(path))) return;
    for (;;) {
      const pids = (await read(`${path}/cgroup.procs`)).split('\n').filter(pid => /^[1-9]\d*$/.test(pid));
      if (pids.length === 0 || Date.now() > until) return;
      if (freezer?.version === 2) await files.writeInPlace(`${path}/cgroup.kill`, '1').catch(() => {});
      else await host.run(['kill', '-KILL', ...pids]);
      await thaw(); // What the v1 freezer holds does not die before.
      await sleep(5);
    }
  }

  return {
    prepare,
    join,
    limit,
    freeze,
    thaw,
    frozen,
    kill,
    async oomKills() {
      const place = at('memory');
      if (!place) return 0;
      const text = await read(
        `${directory(place)}/${place.version === 1 ? 'memory.oom_control' : 'memory.events'}`,
      );
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },
    async remove() {
      const groups = await present();
      for (let tries = 0; groups.length > 0 && tries < 20; tries++) {
        if ((await host.run(['rmdir', '--', ...groups])).code === 0) return;
        const left = await present();
        if (left.length === 0) return;
        groups.splice(0, groups.length, ...left);
        await sleep(10);
      }
    },
  };
}

function limitsOf(resources: ResourceSpec): readonly Controller[] {
  const limits: Controller[] = [];
  if (resources.cpus !== undefined && resources.cpus > 0) limits.push('cpu');
  if (resources.memoryBytes !== undefined) limits.push('memory');
  if (resources.pids !== undefined) limits.push('pids');
  return limits;
}

/** File name and text of each limit. */
function knobs(
  controller: Controller,
  version: 1 | 2,
  resources: ResourceSpec,
): readonly (readonly [string, string])[] {
  const v1 = version === 1;
  switch (controller) {
    case 'cpu': {
      const cpus = resources.cpus ?? 0;
      const quota = cpus > 0 ? Math.max(1000, Math.round(cpus * cfsPeriodUs)) : undefined;
      if (!v1) return [['cpu.max', `${quota ?? 'max'} ${cfsPeriodUs}`]];
      return [
        ['cpu.cfs_period_us', String(cfsPeriodUs)],
        ['cpu.cfs_quota_us', String(quota ?? -1)],
      ];
    }
    case 'memory':
      return [
        [v1 ? 'memory.limit_in_bytes' : 'memory.max', String(resources.memoryBytes ?? (v1 ? -1 : 'max'))],
      ];
    case 'pids':
      return [['pids.max', String(resources.pids ?? 'max')]];
    case 'freezer':
      return [];
  }
}
