import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { VethOptions } from './options.js';
import type { Place } from './place.js';
import { mustRun } from './tools.js';

/** Makes the network namespace of one container anew, mounted on `path`, loopback up and, where asked, a veth pair. */
export async function makeNetwork(
  place: Place,
  uid: string,
  path: string,
  veth: VethOptions | undefined,
  signal?: AbortSignal,
): Promise<void> {
  await removeNetwork(place, path);
  await mustRun(place.host, [place.host.initBinary, 'netns', path], signal);
  if (veth) await connect(place, uid, path, veth, signal);
}

/** Unmounts the namespace; with its last process its devices go. Nothing there is success. */
export async function removeNetwork(place: Place, path: string): Promise<void> {
  const { host } = place;
  if (!(await host.files.exists(path))) return;
  await host.run(['umount', '-l', path]);
  await host.files.remove(path);
}

async function connect(
  place: Place,
  uid: string,
  path: string,
  veth: VethOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { host, ip, nsenter } = place;
  if (ip === undefined || nsenter === undefined) {
    throw new PortLayerError(
      'CAPABILITY_MISSING',
      'This host cannot give what executorOptions.veth asks for.',
      {
        required: 'the commands ip and nsenter',
        found: `ip: ${ip ?? 'none'}, nsenter: ${nsenter ?? 'none'}`,
        remedy: 'Install them: apt-get install iproute2 util-linux',
        facts: { field: 'executorOptions.veth', level: 'executor', name: 'container' },
      },
    );
  }
  const outer = hostEnd(uid);
  const inside = (...argv: string[]) => mustRun(host, [nsenter, `--net=${path}`, ip, ...argv], signal);
  // Made inside, so that the name eth0 meets none of the host's; one end is then sent out to the process 1.
  await host.run([ip, 'link', 'delete', outer]);
  await inside('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', outer);
  await inside('link', 'set', outer, 'netns', '1');
  if (veth.bridge !== undefined)
    await mustRun(host, [ip, 'link', 'set', outer, 'master', veth.bridge], signal);
  await mustRun(host, [ip, 'link', 'set', outer, 'up'], signal);
  if (veth.hostAddress !== undefined) {
    // Of one address each, so that any number of containers may have the same net and the same way out.
    const [own = ''] = veth.hostAddress.split('/');
    await mustRun(host, [ip, 'address', 'add', `${own}/32`, 'dev', outer], signal);
    await mustRun(
      host,
      [ip, 'route', 'add', veth.address.split('/')[0] ?? '', 'dev', outer, 'src', own],
      signal,
    );
  }
  await inside('address', 'add', veth.address, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  const gateway = veth.gateway ?? veth.hostAddress?.split('/')[0];
  if (gateway !== undefined) await inside('route', 'add', 'default', 'via', gateway);
}

/** The name of the host's end: 15 characters at most, of the part of a ULID that differs. */
function hostEnd(uid: string): string {
  return `pl${uid
    .slice(-12)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')}`;
}
