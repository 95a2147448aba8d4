import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Exec, ExecCommand } from '../../portlayer/plugin/executor.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';

const defaultPath = '/run/portlayer/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Docker's default capabilities, as the init leaves them to the task. */
const kept =
  'chown,dac_override,fsetid,fowner,mknod,net_raw,setgid,setuid,setfcap,setpcap,net_bind_service,sys_chroot,kill,audit_write';

/**
 * Enters the cgroups named before `--`, then becomes the command after it. A constant text: every value is an argument.
 * The process must be in the groups before it starts the command, or a pause would not reach that.
 */
const enter = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 126; shift; done; shift; exec "$@"';

/** Further commands in a running container, by nsenter. Only where a container has namespaces to enter. */
export function createExec(place: Place, containers: Containers, nsenter: string): Exec {
  return {
    async exec(uid, command, signal) {
      const client = await containers.known(uid);
      const init = await client.init(signal);
      // It is no child of the init's: only the group makes a later pause reach it.
      await containers.group(uid).join(init);
      const cgroups = await groupsOf(place, init);
      const into = [nsenter, '--target', String(init), ...namespaces(place, await hasOwnNet(place, init))];
      const inside = [
        ...into,
        '--root',
        `--wdns=${command.cwd ?? '/'}`,
        ...credentials(place, command),
        '--',
      ];
      const dropped = await limited(place, init, command);
      const child = place.host.spawn(
        ['/bin/sh', '-c', enter, 'sh', ...cgroups, '--', ...inside, ...dropped, ...command.argv],
        {
          env: {
            PATH: defaultPath,
            PORTLAYER_STATE: '/state',
            PORTLAYER_SOCKET: '/run/portlayer/checkpoint.sock',
            ...command.env,
          },
          signal,
        },
      );
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited: child.exited };
    },
  };
}

/** The container's own groups, as the kernel names them for its init. */
async function groupsOf(place: Place, init: number): Promise<readonly string[]> {
  const text = await place.host.files.read(`/proc/${init}/cgroup`).then(String, () => '');
  if (text === '') {
    throw new PortLayerError('WRONG_STATE', 'The task has ended.', { remedy: 'Start the container first.' });
  }
  const bases = [...new Set([...place.cgroups.places.values()].map(where => where.base))];
  const uid = /\/portlayer\/([^/\n]+)$/m.exec(text)?.[1];
  if (uid === undefined) return [];
  const there = await Promise.all(bases.map(base => place.host.files.exists(`${base}/${uid}`)));
  return bases.filter((_, i) => there[i]).map(base => `${base}/${uid}`);
}

function namespaces(place: Place, net: boolean): readonly string[] {
  const { kinds } = place.namespaces;
  return [
    ...(kinds.has('user') ? ['--user', '--preserve-credentials'] : []),
    ...(['mount', 'uts', 'ipc', 'pid'] as const).filter(kind => kinds.has(kind)).map(kind => `--${kind}`),
    ...(net ? ['--net'] : []),
  ];
}

/** Entering the host's own network again would need rights that a user namespace does not have. */
async function hasOwnNet(place: Place, init: number): Promise<boolean> {
  const done = await place.host.run(['readlink', '/proc/self/ns/net', `/proc/${init}/ns/net`]);
  const [ours, theirs] = done.stdout.trim().split('\n');
  return theirs !== undefined && theirs !== ours;
}

function credentials(place: Place, command: ExecCommand): readonly string[] {
  if (place.namespaces.kinds.has('user')) return [];
  const { uid, gid } = command.user ?? { uid: 0, gid: 0 };
  // With setpriv the change of user comes after entering; nsenter's own would take the rights to drop others.
  return place.setpriv ? [] : ['--setuid', String(uid), '--setgid', String(gid)];
}

/** setpriv, where the container has it, takes away what the task has not either, and ends the command with its caller. */
async function limited(place: Place, init: number, command: ExecCommand): Promise<readonly string[]> {
  const { setpriv } = place;
  if (!setpriv || !(await place.host.files.exists(`/proc/${init}/root${setpriv}`))) return [];
  const bounding = kept
    .split(',')
    .map(name => `+${name}`)
    .join(',');
  const drop =
    place.config.dropCapabilities === false ? [] : [`--bounding-set=-all,${bounding}`, '--no-new-privs'];
  const user = place.namespaces.kinds.has('user') ? undefined : command.user;
  const become = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'] : [];
  return [setpriv, ...drop, ...become, '--'];
}
