import { constants } from 'node:os';
import { repeatFingerprint } from '../../portlayer/environments/fingerprint/repeat-fingerprint.js';
import { abortable } from '../../portlayer/environments/process/abortable.js';
import type { Executor } from '../../portlayer/plugin/executor.js';
import { createBind } from './bind.js';
import { checkSpec } from './check-spec.js';
import type { FullVsphereConfig } from './config.js';
import { createContainers } from './containers.js';
import { killMachine, stopMachine } from './ending.js';
import { fingerprintMachines } from './fingerprint.js';
import { hasEnded } from './guest/machine-client.js';
import { makeHandle, readHandle } from './handle.js';
import { createLayers, removeDoomed } from './layers.js';
import { readMachineLog } from './logs.js';
import { createMachines, extraConfig } from './machines.js';
import { KEYS, machineName } from './names.js';
import { removeLog } from './serial-port.js';
import { startMachine } from './start.js';
import type { VCenter } from './vcenter.js';
import { isUnreachable } from './vim/unreachable.js';
import { createVmfork } from './vmfork/mechanism.js';

const refreshMs = 60_000;
const tags = ['run', 'writable-layer', 'bind', 'checkpoint:vmfork', 'parent'];
/** Of a log nobody knows the spec any more: what is given of it, in bytes. */
const LOG_BYTES = 3 * 16 * 2 ** 20;

/** The executor `vsphere` in one vCenter. Holds a session only; what runs outlives it. */
export function createVsphereExecutor(
  vcenter: VCenter,
  config: FullVsphereConfig,
  log: (message: string) => void,
): Executor {
  const machines = createMachines(vcenter, config);
  const containers = createContainers(machines, log);
  const limit = () => AbortSignal.timeout(config.taskMs);
  const keepBytes = new Map<string, number>();
  /** What a service's start needs not to fail where the vCenter is away. */
  const unlessAway = async <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch(caught => {
      if (!isUnreachable(caught)) throw caught;
      log(String(caught));
      return otherwise;
    });

  return {
    name: 'vsphere',
    capabilities: tags,
    fingerprint: signal =>
      repeatFingerprint(() => fingerprintMachines(machines, tags, signal), refreshMs, signal),
    check: async spec => checkSpec(spec),
    handleFor: uid => makeHandle(uid),
    async start(request, signal) {
      signal.throwIfAborted();
      const { uid, spec } = request;
      machineName(uid);
      keepBytes.set(uid, spec.log.maxBytes * spec.log.maxFiles);
      await startMachine(containers, request, signal);
      return makeHandle(uid, (await containers.find(uid, signal))?.instanceUuid);
    },
    async recover(uid, handle, signal) {
      const { instanceUuid } = readHandle(handle);
      const client = containers.client(uid);
      const look = async () => {
        const there = await containers.find(uid, signal);
        if (there || instanceUuid === undefined) return there;
        const renamed = await machines.findByUuid(instanceUuid, KEYS.uid, uid, signal);
        if (renamed) await machines.reconfigure(renamed.ref, () => ({ name: machineName(uid) }), signal);
        return renamed;
      };
      const found = await unlessAway<Awaited<ReturnType<typeof look>> | 'away'>(look(), 'away');
      if (found === 'away') return 'running'; // Its client waits for the vCenter, and tells what it finds.
      if (!found || (found.power === 'poweredOff' && !found.extra[KEYS.exit])) {
        containers.forget(uid);
        return 'gone';
      }
      await client.seen;
      if (found.power !== 'poweredOff' && !client.isOver()) return client.hasExit() ? 'exited' : 'running';
      return 'exited';
    },
    async settle(uid) {
      await unlessAway(
        (async () => {
          const found = await containers.find(uid, limit());
          if (found?.power !== 'poweredOff') return;
          containers.forget(uid);
          if (found.extra[KEYS.exit])
            await machines.reconfigure(found.ref, () => extraConfig({ [KEYS.exit]: '' }), limit());
        })(),
        undefined,
      );
    },
    wait: (uid, signal) => abortable(containers.client(uid).ended, signal),
    async signal(uid, signal) {
      const found = await containers.known(uid, limit());
      if (found.power === 'poweredOff') throw hasEnded();
      if (signal === constants.signals.SIGKILL) await killMachine(containers, uid);
      else containers.client(uid).order(`SIGNAL n=${signal}`);
    },
    async handles(uid) {
      await containers.known(uid, limit());
      return undefined; // What a task in a guest has handlers for is not seen from here.
    },
    stop: (uid, graceMs) => stopMachine(containers, uid, graceMs),
    async destroy(uid) {
      const found = await containers.find(uid, limit());
      containers.forget(uid);
      if (!found) return;
      await machines.destroy(found, limit());
      await removeLog(machines, uid, limit());
      await removeDoomed(machines, limit());
    },
    async link(uid, signal) {
      const found = await containers.known(uid, signal);
      if (found.power === 'poweredOff' || containers.client(uid).isOver()) throw hasEnded();
      return containers.client(uid).link(signal);
    },
    async *logs(uid, options, signal) {
      await containers.known(uid, signal);
      const over = async () => {
        const found = await unlessAway(containers.find(uid, signal), undefined).catch(() => undefined);
        return found === undefined || found.power === 'poweredOff';
      };
      yield* readMachineLog(machines, uid, keepBytes.get(uid) ?? LOG_BYTES, options, over, signal);
    },
    disk: createLayers(containers),
    async list() {
      const all = await unlessAway(machines.all(limit()), []);
      return all.map(({ extra }) => extra[KEYS.uid] ?? '').filter(uid => uid !== '');
    },
    bind: createBind(containers),
    checkpoint: createVmfork(containers),
    async [Symbol.asyncDispose]() {
      containers.close();
    },
  };
}
