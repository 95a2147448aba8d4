import type { FidelityCard } from '../../../portlayer/plugin/mechanism.js';

/** What the mechanism `criu` keeps, loses and needs. design/mechanisms/criu.md says the same at length. */
export const criuCard: FidelityCard = {
  preserves: 'process',
  restores: 'elsewhere',
  keeps: [
    'the process tree with its memory, threads, registers, signals and timers',
    'pids, sessions and process groups, as numbers inside',
    'open files and their positions, pipes, unix sockets, file locks, pseudo terminals made inside',
    'listening sockets; established TCP connections where the option tcpEstablished is set',
    'the writable layer, of the same moment',
  ],
  loses: [
    'established TCP connections, unless tcpEstablished is set: a copy finds them closed',
    'processes that were started by exec: they are no children of the init',
    'writes to volumes: they are not part of a checkpoint',
    'connections to anything outside the container over unix sockets: they refuse the checkpoint',
  ],
  needs: [
    'runc and CRIU, as root, and a cgroup freezer',
    'no io_uring, no userfaultfd, no debugger attached, no task stopped by SIGSTOP',
    'at a restore: the same architecture, CPU features and rootfs, a kernel and a CRIU no older',
  ],
};
