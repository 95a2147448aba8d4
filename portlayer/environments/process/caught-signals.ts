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
  const [task] = (await read(`/proc/${init}/task/${init}/children`)).trim().split(' ');
  if (!task) return undefined;
  const caught = /^SigCgt:\s*([0-9a-f]{16})$/m.exec(await read(`/proc/${task}/status`))?.[1];
  if (caught === undefined) return undefined;
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
}
