import { PortLayerError } from '../../errors/port-layer-error.js';

/** Where one container's writable layer is; every path is absolute. */
export interface WritablePlaces {
  readonly directory: string;
  /** What differs from the layers below, as overlayfs has it. */
  readonly upper: string;
  readonly work: string;
  /** The layer as a full tree, for strategies without overlayfs. */
  readonly tree: string;
}

/** Where an executor keeps layers on its host. Names are checked before they become part of a path. */
export interface LayerPlaces {
  /** Frozen layers that hold differences. */
  readonly layers: string;
  /** Frozen layers that hold full trees: everything below them is in them. */
  readonly trees: string;
  container(uid: string): WritablePlaces;
  /** Throws INVALID_SPEC where `layer` is no legal name. */
  layer(layer: string): string;
  tree(layer: string): string;
}

/** The error for a frozen layer that is not on this host. */
export function missingLayer(layer: string): PortLayerError {
  return new PortLayerError('NOT_FOUND', `The frozen layer ${layer} is not on this host.`, {
    remedy: 'Restore from a checkpoint whose layers are here: portlayer checkpoint ls',
    facts: { layer },
  });
}
