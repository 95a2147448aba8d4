import type { Place } from '../place.js';

/** One process of a container, as the host sees it. */
export interface Task {
  readonly pid: number;
  /** The pid inside. */
  readonly inner: number;
  readonly name: string;
  /** The letter of /proc/PID/status: `S`, `T`, `D`, … */
  readonly state: string;
  readonly parent: number;
}

/** Every process in the container's group. What ends meanwhile is left out. */
export async function tasksOf(place: Place, uid: string): Promise<readonly Task[]> {
  const { files } = place.host;
  const base = place.cgroups.places.get('freezer')?.base;
  const text = await files.read(`${base}/${uid}/cgroup.procs`).then(String, () => '');
  const pids = text.split('\n').filter(pid => /^[1-9]\d*$/.test(pid));
  const found = await Promise.all(pids.map(pid => files.read(`/proc/${pid}/status`).then(String, () => '')));
  return found.flatMap((status, i) => (status === '' ? [] : [parse(Number(pids[i]), status)]));
}

/** Those that are no descendants of `init`: commands that were started by exec. */
export function strangers(tasks: readonly Task[], init: number): readonly Task[] {
  const family = new Set([init]);
  for (let known = 0; known !== family.size; ) {
    known = family.size;
    for (const task of tasks) if (family.has(task.parent)) family.add(task.pid);
  }
  return tasks.filter(task => !family.has(task.pid));
}

function parse(pid: number, status: string): Task {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  return {
    pid,
    inner: Number(field('NSpid').split(/\s+/).at(-1)),
    name: field('Name'),
    state: field('State').charAt(0),
    parent: Number(field('PPid')),
  };
}
