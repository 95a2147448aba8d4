import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Exec, ExecCommand } from '../../portlayer/plugin/executor.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';
import { taskEnvironment, taskEnvPrefix } from './task-environment.js';

const defaultPath = '/run/portlayer/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Further commands in a running container, by the init's `enter`. Only where a container has namespaces to enter. */
export function createExec(place: Place, containers: Containers): Exec {
  return {
    async exec(uid, command, signal) {
      const client = await containers.known(uid);
      const init = await client.init(signal);
      // It is no child of the init's: only the group makes a later pause reach it.
      await containers.group(uid).join(init);
      const cgroups = await groupsOf(place, init);
      const env = {
        PATH: defaultPath,
        PORTLAYER_STATE: '/state',
        PORTLAYER_SOCKET: '/run/portlayer/checkpoint.sock',
        ...command.env,
      };
      const child = place.host.spawn(
        [
          ...[place.host.initBinary, 'enter', '--target', String(init)],
          ...cgroups.flatMap(directory => ['--cgroup', directory]),
          ...['--cwd', command.cwd ?? '/', '--env-prefix', taskEnvPrefix],
          ...credentials(place, command),
          '--',
          ...command.argv,
        ],
        { env: taskEnvironment(env), signal },
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

/** As the task's own: the user that was asked for, and docker's default capabilities. */
function credentials(place: Place, command: ExecCommand): readonly string[] {
  const { uid, gid } = command.user ?? { uid: 0, gid: 0 };
  return [
    // A user namespace has one user only.
    ...(place.namespaces.kinds.has('user') ? [] : ['--uid', String(uid), '--gid', String(gid)]),
    ...(place.config.dropCapabilities === false ? [] : ['--drop-capabilities']),
  ];
}
