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
  /** There while the machine is being dumped. */
  readonly dumping: string;
  /** There while the machine has not got the CPU limit that it is to have once it is up. */
  readonly limit: string;
  /** Where a copy's QEMU, as another user, finds the memory of its image: mounted there for it alone. */
  readonly memory: string;
  /** The number of the user that QEMU runs as. */
  readonly user: string;
}

/** Where this executor keeps its things on one host; short names, since sockets' paths are bounded. */
export interface Layout {
  readonly root: string;
  readonly containers: string;
  readonly layers: string;
  readonly bases: string;
  readonly kernels: string;
  readonly busybox: string;
  /** Machines that were made ready before anybody asked for them. One that is used stays here: its monitor goes by the path. */
  readonly standbys: string;
  container(uid: string): MachinePaths;
  /** The things of the machine that is kept in a directory. */
  machine(directory: string): MachinePaths;
  /** The directory of a frozen layer. Throws INVALID_SPEC where `layer` is no legal name. */
  layer(layer: string): string;
}

/** The file in a frozen layer's directory. */
export const LAYER_DISK = 'disk.qcow2';

/**
 * The layout below a host's state directory. Names are checked before they become part of a path. `homes` has the
 * directories of the machines that are not where a new one would be.
 */
export function createLayout(stateDirectory: string, homes: ReadonlyMap<string, string>): Layout {
  const root = `${stateDirectory}/qemu`;
  return {
    root,
    containers: `${root}/c`,
    layers: `${root}/layers`,
    bases: `${root}/bases`,
    kernels: `${root}/kernels`,
    busybox: `${root}/busybox`,
    standbys: `${root}/s`,
    container(uid) {
      checkName('uid', uid);
      return machineIn(homes.get(uid) ?? `${root}/c/${uid}`);
    },
    machine: machineIn,
    layer(layer) {
      checkName('layer', layer);
      return `${root}/layers/${layer}`;
    },
  };
}

function machineIn(directory: string): MachinePaths {
  return {
    directory,
    vm: `${directory}/vm`,
    relay: `${directory}/relay`,
    qmp: `${directory}/vm/qmp`,
    orders: `${directory}/orders`,
    initramfs: `${directory}/vm/initramfs`,
    memory: `${directory}/vm/memory`,
    console: `${directory}/console`,
    errors: `${directory}/qemu.log`,
    disk: `${directory}/disk.json`,
    restoring: `${directory}/restoring.json`,
    dumping: `${directory}/dumping.json`,
    limit: `${directory}/limit.json`,
    user: `${directory}/user`,
  };
}
