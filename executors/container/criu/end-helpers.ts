import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../../portlayer/environments/cgroup/process-tree.js';
import type { Host } from '../../../portlayer/plugin/host.js';

const tries = 100;
const pauseMs = 20;

/**
 * Ends every process of the host that has `argument` in its command line, with all it started: runc, and the CRIU
 * below it, which would go on alone. Resolves when none is left, at most 2 s later.
 */
export async function endHelpers(host: Host, argument: string): Promise<void> {
  for (let round = 0; round < tries; round++) {
    const roots = await helpersWith(host, argument);
    if (roots.length === 0) return;
    const trees = await Promise.all(roots.map(pid => processTree(host, pid)));
    await host.run(['kill', '-KILL', ...new Set(trees.flat())]);
    await sleep(pauseMs);
  }
}

async function helpersWith(host: Host, argument: string): Promise<readonly number[]> {
  const pids = (await host.files.list('/proc'))
    .map(entry => entry.name)
    .filter(name => /^[1-9]\d*$/.test(name));
  const lines = await Promise.all(
    pids.map(pid => host.files.read(`/proc/${pid}/cmdline`).then(String, () => '')),
  );
  return pids.filter((_, i) => lines[i]?.split('\0').includes(argument)).map(Number);
}
