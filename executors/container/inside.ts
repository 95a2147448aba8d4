import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Inside } from '../../portlayer/plugin/executor.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';
import { readBase } from './writable-layer.js';

/** What a loader's mechanism reaches of a running container: by the namespaces of its init. */
export function createInside(place: Place, containers: Containers): Inside {
  async function init(uid: string): Promise<number> {
    return (await containers.known(uid)).init(AbortSignal.timeout(10_000));
  }
  return {
    host: place.host,
    async layersBelow(uid) {
      return (await readBase(place, containers.paths(uid))) ?? [];
    },
    init,
    async read(uid, path) {
      const root = `/proc/${await init(uid)}/root`;
      const done = await place.host.run([place.host.initBinary, 'peek', root, path]);
      if (done.code === 0) return done.stdout;
      throw new PortLayerError('NOT_FOUND', `The container has no file ${path} that can be read.`, {
        found: done.stderr.trim().slice(0, 200),
        remedy: 'Name a regular file by its path inside, with no link in it.',
        facts: { uid },
      });
    },
    async run(uid, argv, { pids = false, signal } = {}) {
      if (place.nsenter === undefined) throw nsenterMissing();
      // Without root the other namespaces belong to the container's user namespace, and open with it.
      const user = place.rootless ? ['--user', '--preserve-credentials'] : [];
      const target = ['--target', String(await init(uid)), ...user, '--net', ...(pids ? ['--pid'] : [])];
      return place.host.run([place.nsenter, ...target, '--', ...argv], signal ? { signal } : {});
    },
  };
}

function nsenterMissing(): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', "This host cannot enter a container's network.", {
    required: 'the command nsenter',
    found: 'none',
    remedy: 'Install it: apt-get install util-linux',
    facts: { level: 'executor', name: 'container' },
  });
}
