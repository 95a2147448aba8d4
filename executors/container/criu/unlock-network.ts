import type { ContainerPaths } from '../layout.js';
import type { Place } from '../place.js';

/** The chain in which CRIU holds back a container's packets while it dumps established connections. A constant text. */
const unlock = `for tool in iptables ip6tables; do
  command -v $tool >/dev/null || continue
  $tool -w -D INPUT -j CRIU; $tool -w -D OUTPUT -j CRIU; $tool -w -F CRIU; $tool -w -X CRIU
done 2>/dev/null
true`;

/** Takes away the filter that a killed CRIU left in the container's network: with it the container would seem dead. No effect where there is none. */
export async function unlockNetwork(place: Place, paths: ContainerPaths): Promise<void> {
  const { host, nsenter } = place;
  if (nsenter === undefined || !(await host.files.exists(paths.network))) return;
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  await host.run([nsenter, `--net=${paths.network}`, '/bin/sh', '-c', unlock], { env });
}
