import type { LayerPlaces, WritablePlaces } from '../../portlayer/environments/layers/layer-places.js';
import { checkName } from '../../portlayer/model/ids.js';

/** Where one container's things are on its host. Every path is absolute. */
export interface ContainerPaths extends WritablePlaces {
  /** The layers that the writable layer was begun on, as a JSON array: they stay its own whatever is checkpointed since. */
  readonly base: string;
  /** Where the root is put together; a mount point only in the mount namespace of what starts the container. */
  readonly merged: string;
  /** Visible inside as `/run/portlayer`. */
  readonly relay: string;
  /** Files bound over /etc/hostname, /etc/hosts, /etc/resolv.conf and /etc/machine-id. */
  readonly etc: string;
  /** Mount points that neither the root file system nor every container has: targets of volumes. */
  readonly points: string;
  /** runc's bundle, `config.json` in it: the container's own directory. */
  readonly bundle: string;
  /** The file on which the network namespace is mounted. */
  readonly network: string;
  /** IPv4 address and prefix, where it has one of its own. */
  readonly address: string;
  /** The pid of the init, as runc writes it. */
  readonly pid: string;
  /** CRIU's further options; written before each dump and restore. */
  readonly criuConfig: string;
  /** runc's own log, one JSON object for each line. */
  readonly log: string;
  /** There while the container is being dumped: what to undo. */
  readonly dumping: string;
  /** There until a restored container has its identity: what is still to be said to it. */
  readonly restoring: string;
}

/** Where this executor keeps its things on one host. */
export interface Layout extends LayerPlaces {
  readonly containers: string;
  /** runc's state. */
  readonly runc: string;
  /** Unpacked archives and image layouts. */
  readonly rootfs: string;
  /** The init and the guest tool, in a directory for each build of them. */
  readonly bin: string;
  /** The mount points every container has: the lowest layer of all. */
  readonly skeleton: string;
  readonly trial: string;
  /** What CRIU runs at its steps: freezes before a dump, names the host after a restore. */
  readonly criuStep: string;
  /** Preloaded into CRIU where the service may not read other users' limits. */
  readonly limitsLibrary: string;
  container(uid: string): ContainerPaths;
}

/** The layout below a host's state directory. Names are checked before they become part of a path. */
export function createLayout(stateDirectory: string): Layout {
  const below = (name: string) => `${stateDirectory}/container/${name}`;
  return {
    containers: below('containers'),
    runc: below('runc'),
    rootfs: below('rootfs'),
    bin: below('bin'),
    skeleton: below('skeleton'),
    trial: below('trial'),
    criuStep: below('criu-step'),
    limitsLibrary: below('limits.so'),
    layers: below('layers'),
    trees: below('trees'),
    container(uid) {
      checkName('uid', uid);
      const directory = `${below('containers')}/${uid}`;
      const inside = (name: string) => `${directory}/${name}`;
      return {
        directory,
        upper: inside('upper'),
        work: inside('work'),
        tree: inside('tree'),
        base: inside('base.json'),
        merged: inside('merged'),
        relay: inside('relay'),
        etc: inside('etc'),
        points: inside('points'),
        bundle: directory,
        network: inside('net'),
        address: inside('address'),
        pid: inside('init.pid'),
        criuConfig: inside('criu.conf'),
        log: inside('runc.log'),
        dumping: inside('dumping.json'),
        restoring: inside('restoring.json'),
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
