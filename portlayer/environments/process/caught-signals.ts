import type { Host } from '../../plugin/host.js';

/**
 * Whether the task below an init has a handler for a signal now, as the kernel tells it (`SigCgt`). Undefined where
 * it cannot be seen: no such process, or another user's.
 *
 * @param init the init's pid on the host
 * @param signal its number, 1 to 64
 */
export async function taskHandles(host: Host, init: number, signal: number): Promise<boolean | undefined> {
  const read = (path: string): Promise<string> => host.files.read(path).then(String, () => '');
  const firstChild = async (pid: number | string): Promise<string | undefined> =>
    (await read(`/proc/${pid}/task/${pid}/children`)).trim().split(' ')[0];
  let task = await firstChild(init);
  // What stands between the init and a task of DMTCP's handles nothing itself.
  if (task && (await read(`/proc/${task}/comm`)).trim() === 'portlayer-keep') task = await firstChild(task);
  if (!task) return undefined;
  const caught = /^SigCgt:\s*([0-9a-f]{16})$/m.exec(await read(`/proc/${task}/status`))?.[1];
  if (caught === undefined) return undefined;
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
}
