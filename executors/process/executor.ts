import { repeatFingerprint } from '../../portlayer/environments/fingerprint/repeat-fingerprint.js';
import { createLayerDisk } from '../../portlayer/environments/layers/layer-disk.js';
import { readExitFile } from '../../portlayer/environments/monitor/exit-result.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { readLog } from '../../portlayer/environments/monitor/read-log.js';
import { abortable } from '../../portlayer/environments/process/abortable.js';
import { taskHandles } from '../../portlayer/environments/process/caught-signals.js';
import { isErrno } from '../../portlayer/errors/port-layer-error.js';
import type { Executor } from '../../portlayer/plugin/executor.js';
import { createBind } from './bind.js';
import { checkSpec } from './check-spec.js';
import { createContainers } from './containers.js';
import { killContainer, SETTLED_EXIT, stopContainer } from './ending.js';
import { createExec } from './exec.js';
import { fingerprintPlace } from './fingerprint.js';
import { directoryOf, makeHandle } from './handle.js';
import type { Place } from './place.js';
import { startContainer } from './start.js';

const refreshMs = 60_000;
const SIGKILL = 9;

/** The executor `process` on one host. Holds connections only; what runs outlives it. */
export function createProcessExecutor(place: Place): Executor {
  const containers = createContainers(place);
  const { host } = place;
  const exec = place.namespaces.kinds.has('pid') ? createExec(place, containers) : undefined;

  return {
    name: 'process',
    capabilities: ['run', 'writable-layer', 'bind', ...(exec ? ['exec'] : [])],
    fingerprint: signal => repeatFingerprint(async () => fingerprintPlace(place), refreshMs, signal),
    check: spec => checkSpec(place, spec),
    handleFor: uid => makeHandle(containers.paths(uid).directory),
    async start(request, signal) {
      signal.throwIfAborted();
      await startContainer(place, containers, request, signal);
      return makeHandle(containers.paths(request.uid).directory);
    },
    async recover(uid, handle) {
      directoryOf(handle);
      const { directory } = containers.paths(uid);
      if ((await findMonitor(host, directory)) !== undefined) return 'running';
      return (await readExitFile(host, directory)) ? 'exited' : 'gone';
    },
    async settle(uid) {
      containers.forget(uid);
      const { directory } = containers.paths(uid);
      await host.files.rename(`${directory}/exit`, `${directory}/${SETTLED_EXIT}`).catch(ignoreMissing);
    },
    async wait(uid, signal) {
      return abortable(containers.client(uid).ended, signal);
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
      await containers.group(uid).remove();
      await host.files.remove(containers.paths(uid).directory);
    },
    async link(uid, signal) {
      const client = await containers.known(uid);
      await client.ready(signal);
      return client.link(signal);
    },
    async *logs(uid, options, signal) {
      await containers.known(uid);
      const { directory } = containers.paths(uid);
      const isOver = async () => (await findMonitor(host, directory)) === undefined;
      yield* readLog(host, directory, options, isOver, signal);
    },
    disk: createLayerDisk(host, place.layout),
    async list() {
      return (await host.files.list(place.layout.containers)).map(entry => entry.name);
    },
    bind: createBind(place, containers),
    ...(exec ? { exec } : {}),
    async [Symbol.asyncDispose]() {
      containers.close();
    },
  };
}

/** A run that was lost leaves no exit. */
function ignoreMissing(caught: unknown): void {
  if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
}
