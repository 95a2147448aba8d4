import type { Exec } from '../../portlayer/plugin/executor.js';
import { processJson } from './bundle/config-json.js';
import { inside } from './bundle/paths-inside.js';
import { runcCommand } from './command.js';
import type { Containers } from './containers.js';
import type { ContainerPaths } from './layout.js';
import type { Place } from './place.js';
import { enterUserNamespace } from './rootless.js';

const defaultPath = `${inside.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** Further commands in a running container, by runc: with the rights, groups and filters of the task. No image keeps them. */
export function createExec(place: Place, containers: Containers): Exec {
  let commands = 0;
  return {
    async exec(uid, command, signal) {
      const client = await containers.known(uid);
      const init = await client.init(signal); // Throws WRONG_STATE if it has ended.
      const paths = containers.paths(uid);
      const name = `${paths.bundle}/exec-${process.pid}-${++commands}`;
      const [pidFile, processFile] = [`${name}.pid`, `${name}.json`];
      const env = {
        PATH: defaultPath,
        PORTLAYER_STATE: inside.state,
        PORTLAYER_SOCKET: `${inside.relay}/checkpoint.sock`,
        ...command.env,
      };
      const { noNewPrivileges } = await bundleProcess(place, paths);
      const about = processJson(
        { argv: command.argv, env, cwd: command.cwd ?? '/', noNewPrivileges },
        command.user,
      );
      // In a file: every user of the host can read a command line, and a value may be a secret.
      await place.host.files.writeAtomic(processFile, JSON.stringify(about), 0o600);
      const verb = ['exec', '--pid-file', pidFile, '--process', processFile, uid];
      const child = place.host.spawn(
        [...enterUserNamespace(place, init), ...runcCommand(place, paths, verb)],
        { signal },
      );
      const end = async () => {
        // runc that is killed does not end what it started.
        const pid = signal.aborted ? await place.host.files.read(pidFile).then(String, () => '') : '';
        if (/^\d+$/.test(pid)) await place.host.run(['kill', '-KILL', pid]);
        for (const path of [pidFile, processFile]) await place.host.files.remove(path);
      };
      const exited = child.exited.finally(() => end().catch(() => {}));
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited };
    },
  };
}

/** What the running container's own bundle says of its process. */
async function bundleProcess(place: Place, paths: ContainerPaths): Promise<{ noNewPrivileges: boolean }> {
  const bundle = JSON.parse(String(await place.host.files.read(`${paths.bundle}/config.json`))) as {
    process?: { noNewPrivileges?: boolean };
  };
  return { noNewPrivileges: bundle.process?.noNewPrivileges !== false };
}
