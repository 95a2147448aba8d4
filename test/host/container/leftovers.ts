import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What a container, or a try at one, has left on this machine: mounts, cgroups, processes, runc's state. Empty where nothing. */
export function leftovers(stateDirectory: string, uid: string): string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const groups = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => / cgroup2? /.test(line))
    .map(line => `${line.split(' ')[1]}/portlayer/${uid}`);
  return [
    ...mounts.filter(line => line.includes(uid)).map(line => `mount: ${line}`),
    ...groups.filter(path => existsSync(path)).map(path => `cgroup: ${path}`),
    ...processesWith(uid).map(
      pid => `process: ${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 200)}`,
    ),
    ...(existsSync(`${stateDirectory}/container/runc/${uid}`) ? ['state of runc'] : []),
  ];
}

/** What each task of a service's containers does, for the message of a test that waited for one in vain. */
export function taskStates(stateDirectory: string): string {
  const uids = readdirSync(`${stateDirectory}/container/containers`);
  const groups = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => /freezer| cgroup2 /.test(line))
    .flatMap(line => uids.map(uid => `${line.split(' ')[1]}/portlayer/${uid}`))
    .filter(path => existsSync(path));
  return groups
    .map(group => {
      const tasks = read(`${group}/cgroup.procs`).trim().split('\n').filter(Boolean);
      const states = tasks.map(pid => {
        const status = read(`/proc/${pid}/status`);
        const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1];
        return `${pid} ${field('Name')} ${field('State')} tracer ${field('TracerPid')} ${read(`/proc/${pid}/wchan`)}`;
      });
      return `${group} ${read(`${group}/freezer.state`).trim()}: ${states.join(', ')}`;
    })
    .join('; ');
}

/** The pids of processes that have `text` in an argument of their command line. */
export function processesWith(text: string): number[] {
  return pids().filter(pid => read(`/proc/${pid}/cmdline`).includes(text));
}

/** The pids of a process's descendants that run `name`, by their command line. */
export function descendantsNamed(root: number, name: RegExp): number[] {
  const parents = new Map(
    pids().map(pid => [pid, Number(/^PPid:\s*(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1])]),
  );
  const below = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at > 1; at = parents.get(at))
      if (at === root) return true;
    return false;
  };
  return [...parents.keys()].filter(
    pid => below(pid) && name.test(read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')),
  );
}

/** The pids of a process's children. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return []; // It has ended.
  }
}

/** A process's command line. */
export function argumentsOf(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`).split('\0');
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^[1-9]\d*$/.test(name))
    .map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
