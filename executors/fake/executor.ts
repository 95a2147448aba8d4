import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Executor, GuestLink } from '../../portlayer/plugin/executor.js';
import { createFakeDisk } from './disk.js';
import { createFakeMechanism } from './mechanism.js';
import { runTask } from './task.js';
import { changed, type FakeContainer, type FakeWorld, until } from './world.js';

/** An executor whose containers are functions in memory. For the core's own tests only: no part of a release starts it. */
export function createFakeExecutor(world: FakeWorld): Executor {
  const container = (uid: string): FakeContainer => {
    const found = world.containers.get(uid);
    if (found) return found;
    throw new PortLayerError('NOT_FOUND', `The fake world has no container ${uid}.`, { facts: { uid } });
  };
  const executor: Executor = {
    name: 'fake',
    capabilities: ['run', 'writable-layer', 'bind', 'trigger', 'checkpoint:fake'],
    async *fingerprint() {
      yield {
        level: 'executor',
        name: 'fake',
        health: 'healthy',
        description: 'in memory',
        findings: [{ key: 'disk', value: 'memory' }],
      };
    },
    async check(spec) {
      await world.before('check', spec.name);
    },
    handleFor: uid => ({ version: 1, data: { uid } }),
    async start(request) {
      await world.before('start', request.uid);
      const there: FakeContainer = world.containers.get(request.uid) ?? {
        running: false,
        frozen: false,
        upper: new Map(),
        layers: [],
        log: [],
        outbox: [],
        inbox: [],
        signals: [],
        watchers: new Set(),
        run: 0,
      };
      there.layers = request.layers;
      there.signals.length = 0;
      world.containers.set(request.uid, there);
      runTask(world, there, request);
      await world.before('started', request.uid);
      return executor.handleFor(request.uid);
    },
    async recover(uid) {
      const found = world.containers.get(uid);
      return found?.running ? 'running' : found?.exit ? 'exited' : 'gone';
    },
    async settle(uid) {
      const found = world.containers.get(uid);
      if (found && !found.running) delete found.exit;
    },
    wait: (uid, signal) => until(container(uid), () => container(uid).exit, signal),
    async signal(uid, signal) {
      container(uid).signals.push(signal);
      changed(container(uid));
    },
    handles: async () => undefined,
    async stop(uid) {
      const found = world.containers.get(uid);
      if (!found?.running) return;
      found.signals.push(15);
      changed(found);
    },
    async destroy(uid) {
      await world.before('destroy', uid);
      await executor.stop(uid, 0);
      world.containers.delete(uid);
    },
    link: async (uid, signal) => fakeLink(container(uid), signal),
    async *logs(uid) {
      for (const text of container(uid).log)
        yield { stream: 'stdout', atMs: Date.now(), text, endsLine: true };
    },
    async list() {
      return [...world.containers.keys()];
    },
    disk: createFakeDisk(world),
    bind: {
      async bind(uid, resources) {
        container(uid).frozen = resources.cpus === 0;
      },
    },
    checkpoint: createFakeMechanism(world),
    async [Symbol.asyncDispose]() {},
  };
  return executor;
}

function fakeLink(container: FakeContainer, signal: AbortSignal): GuestLink {
  const closed = new AbortController();
  const both = AbortSignal.any([closed.signal, signal]);
  return {
    lines: (async function* () {
      for (;;) {
        const line = await until(container, () => container.outbox.shift(), both).catch(() => undefined);
        if (line === undefined) return;
        yield line;
      }
    })(),
    send(line) {
      container.inbox.push(line);
      changed(container);
    },
    close: () => closed.abort(),
  };
}
