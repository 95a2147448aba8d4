import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../../portlayer/environments/cgroup/process-tree.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** So long may CRIU take to let go of a container by itself, once its runc was killed. */
const letGoMs = 30_000;
const killMs = 5_000;
const pauseMs = 20;

/**
 * Ends a dump that is under way: every process of the host that has `argument`, CRIU's working directory, in its
 * command line, with all it started. CRIU is not killed: while it has its code in a task, the task would be lost with
 * it (measured: one in ten kills). Its runc is, and CRIU lets go of the container when it finds nobody to answer to.
 * Resolves when none is left. Only what is still there after 30 s is killed.
 */
export async function endHelpers(host: Host, argument: string): Promise<void> {
  const began = Date.now();
  while (Date.now() < began + letGoMs + killMs) {
    const roots = await helpersWith(host, argument);
    if (roots.length === 0) return;
    const runcs = roots.filter(
      ({ line }) => line.some(part => part === 'checkpoint') && !line.includes('stage'),
    );
    const late = Date.now() > began + letGoMs;
    const doomed = late
      ? (await Promise.all(roots.map(({ pid }) => processTree(host, pid)))).flat()
      : runcs.map(({ pid }) => pid);
    if (doomed.length > 0) await host.run(['kill', '-KILL', ...new Set(doomed.map(String))]);
    await sleep(pauseMs);
  }
}

interface Helper {
  readonly pid: number;
  readonly line: readonly string[];
}

async function helpersWith(host: Host, argument: string): Promise<readonly Helper[]> {
  const pids = (await host.files.list('/proc'))
    .map(entry => entry.name)
    .filter(name => /^[1-9]\d*$/.test(name));
  const lines = await Promise.all(
    pids.map(pid => host.files.read(`/proc/${pid}/cmdline`).then(String, () => '')),
  );
  return pids.flatMap((pid, i) => {
    const line = lines[i]?.split('\0') ?? [];
    return line.includes(argument) ? [{ pid: Number(pid), line }] : [];
  });
}
