import type { Host } from '../../plugin/host.js';
import { collect } from '../process/collect-output.js';
import type { KeptConnection } from './keep-connection.js';
import type { PreparedHost } from './prepare-host.js';
import { createRemoteFiles } from './remote-files.js';
import { spawnRemote } from './remote-process.js';
import { connectRemote } from './remote-socket.js';
import { createSessions } from './sessions.js';
import { createSftpCalls } from './sftp-calls.js';

/** What a remote host is made of. */
export interface SshHostOptions {
  readonly name: string;
  readonly connection: KeptConnection;
  readonly commandsAtOnce: number;
  /** What the last preparation found. Throws EXECUTOR_UNAVAILABLE while there was none. */
  readonly prepared: () => PreparedHost;
}

/** A machine behind a kept connection as a {@link Host}. Its facts can be read once it was reached. */
export function createSshHost(options: SshHostOptions): Host {
  const { connection, prepared } = options;
  const initBinary = () => prepared().initBinary;
  const remote = { connection, sessions: createSessions(options.commandsAtOnce), initBinary };
  const run: Host['run'] = (argv, runOptions = {}) =>
    collect(spawnRemote(remote, argv, runOptions), runOptions);
  return {
    name: options.name,
    get stateDirectory() {
      return prepared().stateDirectory;
    },
    get initBinary() {
      return initBinary();
    },
    get uid() {
      return prepared().uid;
    },
    get gid() {
      return prepared().gid;
    },
    spawn: (argv, spawnOptions = {}) => spawnRemote(remote, argv, spawnOptions),
    run,
    files: createRemoteFiles(createSftpCalls(connection), initBinary, run),
    connect: (path, signal) => connectRemote(connection, path, signal),
    untilReachable: signal => connection.untilUp(signal),
  };
}
