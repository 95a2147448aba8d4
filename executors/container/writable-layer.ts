import { missingLayer } from '../../portlayer/environments/layers/layer-places.js';
import { isErrno } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerPaths } from './layout.js';
import type { Place } from './place.js';

/** An overlay made ready to be mounted; `lowers` with the topmost first, as overlayfs wants them. */
export interface ReadyOverlay {
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** The frozen layers under it, oldest first. */
  readonly base: readonly string[];
}

/**
 * The container's writable layer: the one that is there, on the layers it was begun on, or a new, empty one on `layers`.
 * One that is there holds all that was checkpointed of it since, so later layers must not come under it: a file
 * that was made, frozen and then removed would show again.
 */
export async function prepareOverlay(
  place: Place,
  paths: ContainerPaths,
  roots: readonly string[],
  layers: readonly string[],
): Promise<ReadyOverlay> {
  const { files } = place.host;
  const kept = (await files.exists(paths.upper)) ? await readBase(place, paths) : undefined;
  const base = kept ?? layers;
  const directories = base.map(layer => place.layout.layer(layer));
  const there = await Promise.all(directories.map(path => files.exists(path)));
  const gone = base.find((_, i) => !there[i]);
  if (gone !== undefined) throw missingLayer(gone);
  if (!kept) await files.writeAtomic(paths.base, JSON.stringify(layers), 0o600);
  const lowers = [...directories.reverse(), ...roots, paths.points, place.layout.skeleton];
  return { lowers, upper: paths.upper, work: paths.work, base };
}

/** The layers that the present writable layer was begun on; nothing where it is not known. */
export async function readBase(place: Place, paths: ContainerPaths): Promise<readonly string[] | undefined> {
  try {
    const value: unknown = JSON.parse(String(await place.host.files.read(paths.base)));
    return Array.isArray(value) && value.every(layer => typeof layer === 'string') ? value : undefined;
  } catch (caught) {
    if (isErrno(caught) && caught.code === 'ENOENT') return undefined;
    throw caught;
  }
}
