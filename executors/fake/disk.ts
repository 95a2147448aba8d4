import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { DiskLayers } from '../../portlayer/plugin/executor.js';
import type { FakeWorld } from './world.js';

/** Layers as maps of path to text. */
export function createFakeDisk(world: FakeWorld): DiskLayers {
  return {
    async freeze(uid, layer) {
      await world.before('freeze', uid);
      if (world.layers.has(layer)) return;
      const container = world.containers.get(uid);
      world.layers.set(layer, container?.upper ?? new Map());
      if (container) container.upper = new Map();
    },
    async discard(uid) {
      const container = world.containers.get(uid);
      if (container) container.upper = new Map();
    },
    async describe(layer) {
      await world.before('describe', layer);
      const files = [...(world.layers.get(layer) ?? [])].sort();
      const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex');
      return {
        digest: `sha256:${digest}`,
        bytes: files.reduce((sum, [, text]) => sum + text.length, 0),
        entries: files.length,
      };
    },
    async sync(layer) {
      await world.before('sync', layer);
    },
    async fold(layers, into) {
      world.layers.set(into, new Map(layers.flatMap(layer => [...(world.layers.get(layer) ?? [])])));
    },
    async remove(layer) {
      await world.before('remove-layer', layer);
      world.layers.delete(layer);
    },
    async list() {
      return [...world.layers.keys()];
    },
    packing: {
      isThere: async layer => world.layers.has(layer),
      async pack(layer, file) {
        await world.before('pack', layer);
        await writeFile(file, JSON.stringify([...(world.layers.get(layer) ?? [])].sort()));
        return 'map';
      },
      async unpack(layer, file) {
        await world.before('unpack', layer);
        world.layers.set(layer, new Map(JSON.parse(await readFile(file, 'utf8')) as [string, string][]));
      },
    },
  };
}
