import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ContainerConfig } from '../../../executors/container/config.js';
import { containerExecutor } from '../../../executors/container/plugin.js';
import { initLoader } from '../../../loaders/init/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import { packageRoot } from '../../../portlayer/package-root.js';
import type { ExecutorSubject } from '../../conformance/conformance.js';

/** The init binary as `loaders/init/build.sh` leaves it, or as PORTLAYER_INIT says. */
export const initBinary =
  process.env.PORTLAYER_INIT ?? join(packageRoot(), 'loaders/init/build/portlayer-init');

/** Where test/setup/criu.sh puts CRIU. */
export const criuDirectory = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  'portlayer/criu/bin',
);

/** Why nothing can be tested here, or undefined. */
export function whyNot(): string | undefined {
  if (process.geteuid?.() !== 0) return 'runc and CRIU need root';
  if (!existsSync('/usr/bin/runc') && !existsSync('/usr/sbin/runc'))
    return 'runc is missing: sh test/setup/criu.sh';
  if (!existsSync(join(criuDirectory, 'criu'))) return 'CRIU is missing: sh test/setup/criu.sh';
  return undefined;
}

/** True in a run of the suites as an unprivileged user: see container-rootless.test.ts. */
function isRootless(): boolean {
  return process.env.PORTLAYER_TEST_ROOTLESS !== undefined;
}

/** A root file system with the host's programs: /usr is a volume, the rest are directories of its own. */
export async function makeRootfs(directory: string): Promise<string> {
  const rootfs = join(directory, 'rootfs');
  for (const name of ['usr', 'etc', 'var/tmp', 'tmp', 'root'])
    await mkdir(join(rootfs, name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(rootfs, name));
  await writeFile(
    join(rootfs, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n',
  );
  await writeFile(join(rootfs, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  return rootfs;
}

/** Fields of a spec that runs in {@link makeRootfs}. */
export function specOf(rootfs: string): Readonly<Record<string, unknown>> {
  return {
    executor: 'container',
    rootfs,
    network: 'none',
    volumes: [{ source: '/usr', target: '/usr', readOnly: true }],
  };
}

/** The executor `container` on this machine, in a state directory of its own. */
export async function containerSubject(config: ContainerConfig = {}): Promise<ExecutorSubject> {
  const stateDirectory = await mkdtemp('/var/tmp/pl-');
  const environment = await createLocalEnvironment({ stateDirectory, initBinary });
  const rootfs = await makeRootfs(stateDirectory);
  const skip = isRootless() ? undefined : whyNot();
  return {
    create: () => containerExecutor.create({ criuDirectory, ...config }, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec: specOf(rootfs),
    ...(skip === undefined ? {} : { skip }),
    cleanUp: () => rm(stateDirectory, { recursive: true, force: true }),
  };
}
