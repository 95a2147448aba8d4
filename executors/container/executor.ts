import { repeatFingerprint } from '../../portlayer/environments/fingerprint/repeat-fingerprint.js';
import { createLayerDisk } from '../../portlayer/environments/layers/layer-disk.js';
import { readExitFile } from '../../portlayer/environments/monitor/exit-result.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { readLog } from '../../portlayer/environments/monitor/read-log.js';
import { abortable } from '../../portlayer/environments/process/abortable.js';
import { taskHandles } from '../../portlayer/environments/process/caught-signals.js';
import type { ExitResult } from '../../portlayer/model/container-record.js';
import type { Executor } from '../../portlayer/plugin/executor.js';
import { createBind } from './bind.js';
import { checkSpec } from './check-spec.js';
import { createContainers } from './containers.js';
import { createCriu } from './criu/mechanism.js';
import { killContainer, stopContainer } from './ending.js';
import { createExec } from './exec.js';
import { fingerprintPlace } from './fingerprint.js';
import { directoryOf, makeHandle } from './handle.js';
import { createInside } from './inside.js';
import { createLeftovers } from './leftovers.js';
import type { Place } from './place.js';
import { startContainer } from './start.js';
import { sweepRun } from './sweep.js';

const refreshMs = 60_000;
const SIGKILL = 9;

/** The executor `container` on one host. Holds connections only; what runs outlives it. */
export function createContainerExecutor(place: Place, log: (message: string) => void): Executor {
  const containers = createContainers(place);
  const { host } = place;
  const criu = createCriu(place, containers, log);

  async function exitOf(uid: string, exit: ExitResult): Promise<ExitResult> {
    const oomKilled = exit.signal === SIGKILL && (await containers.group(uid).oomKills()) > 0;
    return oomKilled ? { ...exit, oomKilled } : exit;
  }
  const alive = async (uid: string) =>
    (await findMonitor(host, containers.paths(uid).directory)) !== undefined;

  return {
    name: 'container',
    defaultNetwork: 'none',
    capabilities: ['run', 'writable-layer', 'bind', 'exec', 'inside', 'checkpoint:criu'],
    fingerprint: signal => repeatFingerprint(() => fingerprintPlace(place), refreshMs, signal),
    check: spec => checkSpec(place, spec),
    handleFor: uid => makeHandle(containers.paths(uid).directory),
    async start(request, signal) {
      signal.throwIfAborted();
      await startContainer(place, containers, request, signal);
      return makeHandle(containers.paths(request.uid).directory);
    },
    async recover(uid, handle, signal) {
      directoryOf(handle);
      if (await alive(uid)) {
        await criu.recover(uid, signal);
        return 'running';
      }
      return (await readExitFile(host, containers.paths(uid).directory)) ? 'exited' : 'gone';
    },
    async settle(uid) {
      if (await alive(uid)) return;
      containers.forget(uid);
      if (!(await containers.exists(uid))) return;
      await sweepRun(place, containers, uid);
      await host.files.remove(`${containers.paths(uid).directory}/exit`);
    },
    async wait(uid, signal) {
      return exitOf(uid, await abortable(containers.client(uid).ended, signal));
    },
    async signal(uid, signal) {
      const client = await containers.known(uid);
      await (signal === SIGKILL ? killContainer(place, containers, uid) : client.signal(signal));
    },
    async handles(uid, signal) {
      const client = await containers.known(uid);
      return taskHandles(host, await client.init(), signal);
    },
    stop: (uid, graceMs) => stopContainer(place, containers, uid, graceMs),
    async destroy(uid) {
      if (await containers.exists(uid)) await killContainer(place, containers, uid);
      containers.forget(uid);
      await sweepRun(place, containers, uid);
      await host.files.remove(containers.paths(uid).directory);
    },
    async link(uid, signal) {
      const client = await containers.known(uid);
      await client.ready(signal);
      return client.link(signal);
    },
    async *logs(uid, options, signal) {
      await containers.known(uid);
      yield* readLog(host, containers.paths(uid).directory, options, async () => !(await alive(uid)), signal);
    },
    disk: createLayerDisk(host, place.layout),
    async list() {
      return (await host.files.list(place.layout.containers)).map(entry => entry.name);
    },
    bind: createBind(place, containers),
    exec: createExec(place, containers),
    inside: createInside(place, containers),
    leftovers: createLeftovers(place, containers),
    checkpoint: criu.mechanism,
    async [Symbol.asyncDispose]() {
      containers.close();
    },
  };
}
