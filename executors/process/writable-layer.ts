import { foldLayers } from '../../portlayer/environments/layers/fold-layers.js';
import { missingLayer } from '../../portlayer/environments/layers/layer-places.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { ContainerPaths, Layout } from './layout.js';
import type { Place } from './place.js';

/** A writable layer made ready: what the command line has to mount. */
export type WritableLayer =
  /** `lowers` with the topmost first, as overlayfs wants them. */
  | {
      readonly kind: 'overlay';
      readonly lowers: readonly string[];
      readonly upper: string;
      readonly work: string;
    }
  /** A full tree to bind. */
  | { readonly kind: 'tree'; readonly tree: string };

/**
 * The container's writable layer over `layers` (oldest first) and, below them, `rootfs`: the one that is there, or a
 * new, empty one of the place's strategy. With overlay that costs two directories; else it copies everything below,
 * so that freezing is a rename with every strategy.
 */
export async function prepareWritableLayer(
  place: Place,
  paths: ContainerPaths,
  rootfs: string | undefined,
  layers: readonly string[],
  signal: AbortSignal,
): Promise<WritableLayer> {
  const { host, layout, disk } = place;
  const files = host.files;
  if (await files.exists(paths.tree)) return { kind: 'tree', tree: paths.tree };
  const chain = await resolveChain(host, layout, rootfs, layers);
  if (disk.strategy === 'overlay' || (await files.exists(paths.upper))) {
    await Promise.all([files.makeDirectory(paths.upper, 0o755), files.makeDirectory(paths.work, 0o700)]);
    const lowers = chain.length === 0 ? [layout.empty] : [...chain].reverse();
    return { kind: 'overlay', lowers, upper: paths.upper, work: paths.work };
  }
  const partial = `${paths.tree}.partial`;
  await files.remove(partial);
  const reflink = disk.strategy === 'reflink' ? 'always' : 'auto';
  if (chain.length === 0) await files.makeDirectory(partial, 0o755);
  else if (chain.length === 1) await files.copyTree(chain[0] as string, partial, reflink, signal);
  else await copyMerged(host, paths, chain, partial, reflink, signal);
  await files.rename(partial, paths.tree);
  return { kind: 'tree', tree: paths.tree };
}

/** The directories to stack, lowest first. A layer that is a full tree hides everything below it. */
async function resolveChain(
  host: Host,
  layout: Layout,
  rootfs: string | undefined,
  layers: readonly string[],
): Promise<string[]> {
  let chain = rootfs === undefined ? [] : [rootfs];
  const kinds = await Promise.all(
    layers.map(async layer => {
      const [difference, tree] = [layout.layer(layer), layout.tree(layer)];
      if (await host.files.exists(difference)) return { difference };
      if (await host.files.exists(tree)) return { tree };
      throw missingLayer(layer);
    }),
  );
  for (const kind of kinds) {
    if (kind.tree !== undefined) chain = [kind.tree];
    else chain.push(kind.difference);
  }
  return chain;
}

/** Layers of differences under a strategy that knows only full trees: folded by hard links, then copied. */
async function copyMerged(
  host: Host,
  paths: ContainerPaths,
  chain: readonly string[],
  into: string,
  reflink: 'always' | 'auto',
  signal: AbortSignal,
): Promise<void> {
  const merged = `${paths.directory}/folded`;
  await host.files.remove(merged);
  try {
    await foldLayers(host, chain, merged, true, signal);
    await host.files.copyTree(merged, into, reflink, signal);
  } finally {
    await host.files.remove(merged);
  }
}
