import type { FidelityCard } from '../../portlayer/plugin/mechanism.js';

/** What the mechanism `dmtcp` keeps, loses and needs. design/mechanisms/dmtcp.md says the same at length. */
export const dmtcpCard: FidelityCard = {
  preserves: 'process',
  restores: 'elsewhere',
  keeps: [
    'the process tree with its memory, threads, signal handlers and pending alarms of alarm(2)',
    'pids as the task sees them, sessions and process groups',
    'open files and their positions, pipes, listening sockets, connections within the container',
    'the working directory; the writable layer, of the same moment',
  ],
  loses: [
    'interval timers of setitimer(2), in the original too: they stop with the first checkpoint',
    'connections to anything outside DMTCP: TCP ones are found closed, a unix socket refuses the checkpoint',
    'processes without DMTCP: static programs, set-user-id programs, what was started by exec',
    'writes to volumes: they are not part of a checkpoint; open files that were deleted',
  ],
  needs: [
    'DMTCP 3 or newer, a container with glibc, a dynamically linked program',
    'a network of its own, which nobody else is in',
    'no pseudo terminal, and the signal of the configuration for DMTCP alone',
    'at a restore: the same build of DMTCP, architecture and rootfs, and volumes at the same places',
  ],
};
