import { checkName } from '../../portlayer/model/ids.js';

/** Where one machine's things are on its host. Every path is absolute. */
export interface MachinePaths {
  readonly directory: string;
  /** QEMU's own: it may write here, and nowhere else. */
  readonly vm: string;
  readonly relay: string;
  /** QEMU's monitor protocol. */
  readonly qmp: string;
  /** Orders to the guest's PID 1, over the bridge. */
  readonly orders: string;
  readonly initramfs: string;
  /** What the guest's kernel says. */
  readonly console: string;
  /** What QEMU itself says. */
  readonly errors: string;
  /** Which disk is written to, and on which frozen layers and base it stands. */
  readonly disk: string;
  /** There while a copy has not confirmed its identity yet. */
  readonly restoring: string;
}

/** Where this executor keeps its things on one host; short names, since sockets' paths are bounded. */
export interface Layout {
  readonly root: string;
  readonly containers: string;
  readonly layers: string;
  readonly bases: string;
  readonly kernels: string;
  readonly busybox: string;
  container(uid: string): MachinePaths;
  /** The directory of a frozen layer. Throws INVALID_SPEC where `layer` is no legal name. */
  layer(layer: string): string;
}

/** The file in a frozen layer's directory. */
export const LAYER_DISK = 'disk.qcow2';

/** The layout below a host's state directory. Names are checked before they become part of a path. */
export function createLayout(stateDirectory: string): Layout {
  const root = `${stateDirectory}/qemu`;
  return {
    root,
    containers: `${root}/c`,
    layers: `${root}/layers`,
    bases: `${root}/bases`,
    kernels: `${root}/kernels`,
    busybox: `${root}/busybox`,
    container(uid) {
      checkName('uid', uid);
      const directory = `${root}/c/${uid}`;
      return {
        directory,
        vm: `${directory}/vm`,
        relay: `${directory}/relay`,
        qmp: `${directory}/vm/qmp`,
        orders: `${directory}/orders`,
        initramfs: `${directory}/vm/initramfs`,
        console: `${directory}/console`,
        errors: `${directory}/qemu.log`,
        disk: `${directory}/disk.json`,
        restoring: `${directory}/restoring.json`,
      };
    },
    layer(layer) {
      checkName('layer', layer);
      return `${root}/layers/${layer}`;
    },
  };
}
