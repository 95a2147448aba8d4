import type { Host } from '../../plugin/host.js';

/** A process and its descendants, by pid, parents first. What ends or begins meanwhile may be missing. */
export async function processTree(host: Host, root: number): Promise<readonly string[]> {
  const found = [String(root)];
  for (const pid of found) {
    const threads = await host.files.list(`/proc/${pid}/task`).catch(() => []);
    for (const thread of threads) {
      const children = await host.files
        .read(`/proc/${pid}/task/${thread.name}/children`)
        .then(String, () => '');
      for (const child of children.split(' '))
        if (/^[1-9]\d*$/.test(child) && !found.includes(child)) found.push(child);
    }
  }
  return found;
}
