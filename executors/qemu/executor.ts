import { repeatFingerprint } from '../../portlayer/environments/fingerprint/repeat-fingerprint.js';
import { readExitFile } from '../../portlayer/environments/monitor/exit-result.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { readLog } from '../../portlayer/environments/monitor/read-log.js';
import { abortable } from '../../portlayer/environments/process/abortable.js';
import type { Executor } from '../../portlayer/plugin/executor.js';
import { createBind } from './bind.js';
import { checkSpec } from './check-spec.js';
import { createContainers } from './containers.js';
import { createDiskLayers } from './disk/disk-layers.js';
import { killContainer, stopContainer } from './ending.js';
import { fingerprintPlace } from './fingerprint.js';
import { limitAsAsked } from './first-limit.js';
import { directoryOf, makeHandle } from './handle.js';
import type { Place } from './place.js';
import { createStandbyPool } from './standby/pool.js';
import { startMachine } from './start.js';
import { createVmfork } from './vmfork/mechanism.js';
import { recoverCopy } from './vmfork/restore.js';
import { undoDump } from './vmfork/undo-dump.js';

const refreshMs = 60_000;
const SIGKILL = 9;
const tags = ['run', 'writable-layer', 'bind', 'checkpoint:vmfork', 'parent'];

/** The executor `qemu` on one host. Holds connections only; what runs outlives it. */
export function createQemuExecutor(place: Place, log: (message: string) => void): Executor {
  const containers = createContainers(place);
  const { host } = place;
  const standbys = createStandbyPool(place, containers, log);
  const parts = { place, containers, standbys, log };
  const alive = async (uid: string) =>
    (await findMonitor(host, containers.paths(uid).directory)) !== undefined;

  return {
    name: 'qemu',
    capabilities: tags,
    fingerprint: signal =>
      repeatFingerprint(() => fingerprintPlace(place, containers, tags), refreshMs, signal),
    check: spec => checkSpec(place, spec),
    handleFor: uid => makeHandle(containers.paths(uid).directory),
    async start(request, signal) {
      signal.throwIfAborted();
      await startMachine(place, containers, request, signal);
      return makeHandle(containers.paths(request.uid).directory);
    },
    async recover(uid, handle, signal) {
      directoryOf(handle);
      if (await alive(uid)) {
        await undoDump(place, containers.paths(uid), log);
        await recoverCopy(parts, uid, signal);
        await limitAsAsked(place, containers, uid);
        return 'running';
      }
      return (await readExitFile(host, containers.paths(uid).directory)) ? 'exited' : 'gone';
    },
    async settle(uid) {
      if (await alive(uid)) return;
      containers.forget(uid);
      await host.files.remove(`${containers.paths(uid).directory}/exit`);
    },
    wait: (uid, signal) => abortable(containers.client(uid).ended, signal),
    async signal(uid, signal) {
      const client = await containers.known(uid);
      await (signal === SIGKILL ? killContainer(place, containers, uid) : client.signal(signal));
    },
    async handles(uid) {
      await containers.known(uid);
      return undefined; // What a task in a guest has handlers for is not seen from here.
    },
    stop: (uid, graceMs) => stopContainer(place, containers, uid, graceMs),
    async destroy(uid) {
      if (await containers.exists(uid)) await killContainer(place, containers, uid);
      const paths = containers.paths(uid);
      containers.forget(uid);
      await Promise.all([containers.group(uid).remove(), host.files.remove(paths.directory)]);
      place.users?.release(paths);
      place.homes.of.delete(uid);
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
    disk: createDiskLayers(place, containers),
    list: () => containers.list(),
    bind: createBind(place, containers),
    checkpoint: createVmfork(parts),
    async [Symbol.asyncDispose]() {
      await standbys.close();
      containers.close();
    },
  };
}
