import { checkName } from '../../portlayer/model/ids.js';

/** Where one container's things are on its host. Every path is absolute. */
export interface ContainerPaths {
  readonly directory: string;
  /** The writable layer as overlayfs has it: what differs from the layers below. */
  readonly upper: string;
  readonly work: string;
  /** The writable layer as a full tree, for the strategies without overlayfs. */
  readonly tree: string;
  /** Where the container's root is put together; a mount point in the container's own mount namespace only. */
  readonly merged: string;
  /** Visible inside as `/run/portlayer`. */
  readonly relay: string;
}

/** Where this executor keeps its things on one host. */
export interface Layout {
  readonly containers: string;
  /** Frozen layers that hold differences. */
  readonly layers: string;
  /** Frozen layers that hold full trees: everything below them is in them. */
  readonly trees: string;
  /** An empty directory: the lowest layer of a state directory. */
  readonly empty: string;
  /** Holds the guest tool, `checkpoint`. */
  readonly bin: string;
  readonly trial: string;
  container(uid: string): ContainerPaths;
  /** Throws INVALID_SPEC where `layer` is no legal name. */
  layer(layer: string): string;
  tree(layer: string): string;
}

/** The layout below a host's state directory. Names are checked before they become part of a path. */
export function createLayout(stateDirectory: string): Layout {
  const below = (name: string) => `${stateDirectory}/${name}`;
  return {
    containers: below('containers'),
    layers: below('layers'),
    trees: below('trees'),
    empty: below('empty'),
    bin: below('bin'),
    trial: below('trial'),
    container(uid) {
      checkName('uid', uid);
      const directory = `${below('containers')}/${uid}`;
      return {
        directory,
        upper: `${directory}/upper`,
        work: `${directory}/work`,
        tree: `${directory}/tree`,
        merged: `${directory}/merged`,
        relay: `${directory}/relay`,
      };
    },
    layer(layer) {
      checkName('layer', layer);
      return `${below('layers')}/${layer}`;
    },
    tree(layer) {
      checkName('layer', layer);
      return `${below('trees')}/${layer}`;
    },
  };
}
