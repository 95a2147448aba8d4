import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { ContainerPaths } from '../layout.js';
import type { ContainerOptions } from '../options.js';
import type { Place } from '../place.js';
import { configJson } from './config-json.js';
import { type Identity, ownFileTexts } from './identity.js';

/** What a bundle is written for. */
export interface BundleRequest {
  readonly request: StartRequest;
  readonly options: ContainerOptions;
  readonly identity: Identity;
  /** IPv4 address without prefix, where the container has one of its own. */
  readonly address: string | undefined;
  /** The directory of the init's build; a restored container keeps that of its image. */
  readonly bin: string;
}

/**
 * Writes a container's bundle anew. The result is the set-up that makes what runc binds: own files and mount points.
 * It is left to the process that puts the root together: a dozen files and directories cost nothing there.
 */
export async function writeBundle(
  place: Place,
  paths: ContainerPaths,
  asked: BundleRequest,
): Promise<readonly string[]> {
  const { files } = place.host;
  const { request, options, identity } = asked;
  const config = configJson(request, {
    paths,
    options,
    hostname: identity.hostname,
    bin: asked.bin,
    cgroupsPath: place.rootless ? undefined : `/portlayer/${request.uid}`,
    architecture: place.architecture,
    criuConfig: paths.criuConfig,
  });
  const resolvConf = request.spec.network === 'host' || options.veth ? await hostResolvConf(place) : '';
  await Promise.all([
    files.writeAtomic(`${paths.bundle}/config.json`, JSON.stringify(config), 0o600, { durable: false }),
    files.makeDirectory(`${paths.relay}/bin`, 0o755),
  ]);
  const texts = Object.entries(ownFileTexts(identity, asked.address, resolvConf));
  const targets = [...request.spec.volumes, ...request.launch.bring];
  return [
    ...[paths.merged, paths.etc, paths.points, paths.upper, paths.work].flatMap(path => ['--mkdir', path]),
    ...texts.flatMap(([name, text]) => ['--write', `${paths.etc}/${name}`, text]),
    ...(request.launch.scratch ?? []).flatMap(({ target }) => ['--mkdir', `${paths.points}${target}`]),
    ...targets.flatMap(({ source, target }) => ['--point', source, `${paths.points}${target}`]),
  ];
}

function hostResolvConf(place: Place): Promise<string> {
  return place.host.files.read('/etc/resolv.conf').then(String, () => '');
}
