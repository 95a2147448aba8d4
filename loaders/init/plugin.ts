import type { Fingerprint } from '../../portlayer/model/capability.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { LaunchPlan, Loader, LoaderPlugin } from '../../portlayer/plugin/loader.js';

/** Where a task looks for commands if its spec does not say: docker's path, after the guest tool's. */
const defaultPath = '/run/portlayer/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The loader `init`: the task is the init's child, as it is. */
export const initLoader: LoaderPlugin<Record<string, never>> = {
  name: 'init',
  apiVersion: 1,
  configSchema: { type: 'object', additionalProperties: false, properties: {} },
  create: (): Loader => ({
    name: 'init',
    capabilities: ['run', 'trigger'],
    fingerprint: host => fingerprintInit(host),
    plan,
  }),
};

function plan(spec: ContainerSpec): LaunchPlan {
  const root = (spec.task.user?.uid ?? 0) === 0;
  const defaults = { PATH: defaultPath, HOME: root ? '/root' : '/', HOSTNAME: spec.hostname ?? spec.name };
  return { argv: spec.task.argv, env: { ...defaults, ...spec.task.env }, bring: [], waitForAll: false };
}

async function fingerprintInit(host: Host | undefined): Promise<Fingerprint> {
  const shape = { level: 'loader', name: 'init' } as const;
  if (!host)
    return { ...shape, health: 'healthy', description: 'The init comes with the machine.', findings: [] };
  const done = await host.run([host.initBinary, 'version']);
  const version = /^portlayer-init (\S+) relay 1$/.exec(done.stdout.trim())?.[1];
  if (done.code === 0 && version !== undefined) {
    const findings = [{ key: 'init', value: version }];
    return { ...shape, health: 'healthy', description: `portlayer-init ${version}`, findings };
  }
  const reason =
    done.code === 0 ? `it says ${done.stdout.trim().slice(0, 100)}` : done.stderr.trim().slice(0, 200);
  const remedy = 'Build it: sh loaders/init/build.sh';
  return {
    ...shape,
    health: 'unusable',
    description: `The init binary ${host.initBinary} cannot be used.`,
    findings: [{ key: 'init', value: 'no', reason, remedy, removes: ['run', 'trigger'] }],
  };
}
