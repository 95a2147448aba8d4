import { PortLayerError } from '../../errors/port-layer-error.js';
import type { DiskLayers } from '../../plugin/executor.js';
import type { Host } from '../../plugin/host.js';
import { findMonitor } from '../monitor/monitor-process.js';
import { foldLayers } from './fold-layers.js';
import { type LayerPlaces, missingLayer } from './layer-places.js';
import { packDirectory, unpackDirectory } from './pack-directory.js';

/**
 * Freezing and keeping writable layers. A writable layer is frozen by one rename, which also says of what kind it is:
 * differences go to `layers`, full trees to `trees`. Only of a container that still lives (frozen by the caller) is
 * it copied: a mounted overlay goes on writing into its directory wherever that is renamed to.
 */
export function createLayerDisk(host: Host, places: LayerPlaces): DiskLayers {
  const files = host.files;

  async function find(layer: string): Promise<{ path: string; full: boolean } | undefined> {
    if (await files.exists(places.layer(layer))) return { path: places.layer(layer), full: false };
    if (await files.exists(places.tree(layer))) return { path: places.tree(layer), full: true };
    return undefined;
  }

  async function findOrThrow(layer: string): Promise<{ path: string; full: boolean }> {
    const found = await find(layer);
    if (found) return found;
    throw missingLayer(layer);
  }

  return {
    async freeze(uid, layer) {
      const paths = places.container(uid);
      if (await find(layer)) return;
      const full = await files.exists(paths.tree);
      const from = full ? paths.tree : paths.upper;
      const to = full ? places.tree(layer) : places.layer(layer);
      if (!(await files.exists(from))) {
        throw new PortLayerError('NOT_FOUND', `The container ${uid} has no writable layer.`, {
          remedy: 'Start the container first.',
          facts: { uid },
        });
      }
      if ((await findMonitor(host, paths.directory)) === undefined) return files.rename(from, to);
      const partial = `${full ? places.trees : places.layers}/.partial-${layer}`;
      await files.remove(partial);
      await files.copyTree(from, partial, 'auto');
      await files.rename(partial, to);
    },
    async discard(uid) {
      const paths = places.container(uid);
      for (const path of [paths.upper, paths.tree]) {
        if (!(await files.exists(path))) continue;
        const doomed = `${path}.doomed`; // Out of sight in one step: half of it must not be taken for the layer.
        await files.remove(doomed);
        await files.rename(path, doomed);
        await files.remove(doomed);
      }
      await files.remove(paths.work);
    },
    locate: async layer => (await find(layer))?.path,
    async describe(layer, signal) {
      return files.digestTree((await findOrThrow(layer)).path, signal);
    },
    async sync(layer, signal) {
      await files.syncTree((await findOrThrow(layer)).path, signal);
    },
    async fold(layers, into, signal) {
      if (await find(into)) return;
      const found = await Promise.all(layers.map(findOrThrow));
      const base = found.findLastIndex(layer => layer.full);
      const used = found.slice(Math.max(base, 0)).map(layer => layer.path);
      const partial = `${base >= 0 ? places.trees : places.layers}/.partial-${into}`;
      await files.remove(partial);
      await foldLayers(host, used, partial, base >= 0, signal);
      await files.rename(partial, base >= 0 ? places.tree(into) : places.layer(into));
    },
    async remove(layer) {
      const found = await find(layer);
      if (!found) return;
      // Out of sight in one step, so that half a layer is never taken for one.
      const doomed = `${found.full ? places.trees : places.layers}/.doomed-${layer}`;
      await files.remove(doomed);
      await files.rename(found.path, doomed);
      await files.remove(doomed);
    },
    async list() {
      const names: string[] = [];
      for (const place of [places.layers, places.trees]) {
        for (const { name } of await files.list(place)) {
          if (!name.startsWith('.')) names.push(name);
          else if (name.startsWith('.partial-')) await files.remove(`${place}/${name}`);
        }
      }
      return names.sort();
    },
    packing: {
      isThere: async layer => (await find(layer)) !== undefined,
      async pack(layer, file, signal) {
        const { path, full } = await findOrThrow(layer);
        await packDirectory(host, path, file, signal);
        return full ? 'tree' : 'difference';
      },
      async unpack(layer, file, kind, signal) {
        if (await find(layer)) return;
        const full = kind === 'tree';
        const partial = `${full ? places.trees : places.layers}/.partial-${layer}`;
        await files.remove(partial);
        await unpackDirectory(host, file, partial, signal);
        await files.rename(partial, full ? places.tree(layer) : places.layer(layer));
      },
    },
  };
}
