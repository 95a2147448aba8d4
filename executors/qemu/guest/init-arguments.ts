import type { GuestLaunch } from '../../../portlayer/environments/machine/initramfs.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { Identity } from '../identity.js';

/** How the init in a guest is started, with what the guest's PID 1 takes out of its environment. Pure. */
export function initArguments(request: StartRequest, identity: Identity, gateway: string): GuestLaunch {
  const { spec, launch } = request;
  const { task } = spec;
  const relay = '/run/portlayer';
  const address =
    identity.address === undefined ? {} : { PORTLAYER_ADDRESS: identity.address, PORTLAYER_GATEWAY: gateway };
  return {
    argv: [
      'init',
      ...['--relay', `${relay}/relay.sock`, '--socket', `${relay}/checkpoint.sock`],
      ...['--cwd', task.cwd ?? (spec.rootfs === undefined ? '/state' : '/'), '--hostname', identity.hostname],
      ...(task.user ? ['--uid', String(task.user.uid), '--gid', String(task.user.gid)] : []),
      ...(task.exitCode ? ['--checkpoint-exit', String(task.exitCode.checkpoint)] : []),
      ...(launch.waitForAll ? ['--wait-all'] : []),
      ...(launch.initOptions ?? []),
      ...['--proc', '/proc'],
      ...(task.user ? ['--state-owner', '/state', String(task.user.uid), String(task.user.gid)] : []),
      '--',
      ...launch.argv,
    ],
    env: {
      ...launch.env,
      ...request.env,
      PORTLAYER_STATE: '/state',
      PORTLAYER_MACHINE_ID: identity.machineId,
      PORTLAYER_MAC: identity.mac,
      ...address,
    },
  };
}
