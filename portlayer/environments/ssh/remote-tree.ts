import { constants } from 'node:os';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host, TreeFacts } from '../../plugin/host.js';
import { errno } from './sftp-calls.js';

/** What a remote host's init does with whole trees; see `tree.c`. */
export interface RemoteTree {
  digest(path: string, signal?: AbortSignal): Promise<TreeFacts>;
  contentDigest(path: string, signal?: AbortSignal): Promise<string>;
  sync(path: string, signal?: AbortSignal): Promise<void>;
  remove(path: string): Promise<void>;
}

/** Trees by the sub-command `tree` of the init. */
export function createRemoteTree(initBinary: () => string, run: Host['run']): RemoteTree {
  async function tree(verb: string, path: string, signal?: AbortSignal): Promise<string> {
    const done = await run([initBinary(), 'tree', verb, path], signal ? { signal } : {});
    if (done.code === 0) return done.stdout;
    const [, number, where = path, message = ''] = /^errno (\d+) (.*): (.*)$/m.exec(done.stderr) ?? [];
    const name = Object.entries(constants.errno).find(([, value]) => value === Number(number))?.[0];
    if (name !== undefined) throw errno(name, where, message);
    throw new PortLayerError('INTERNAL', `The tree ${path} could not be worked on.`, {
      found: done.stderr.trim().slice(0, 500) || `exit code ${done.code}`,
    });
  }
  return {
    async digest(path, signal) {
      const [digest = '', bytes, entries] = (await tree('digest', path, signal)).trim().split(' ');
      return { digest, bytes: Number(bytes), entries: Number(entries) };
    },
    contentDigest: async (path, signal) => (await tree('content', path, signal)).trim(),
    async sync(path, signal) {
      await tree('sync', path, signal);
    },
    async remove(path) {
      await tree('remove', path);
    },
  };
}
