import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { QemuConfig } from '../../../executors/qemu/config.js';
import { qemuExecutor } from '../../../executors/qemu/plugin.js';
import { kernelLoader } from '../../../loaders/kernel/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import type { ExecutorSubject } from '../../conformance/conformance.js';

/** The init binary as `loaders/init/build.sh` leaves it, or as PORTLAYER_INIT says. */
export const initBinary =
  process.env.PORTLAYER_INIT ??
  fileURLToPath(new URL('../../../loaders/init/build/portlayer-init', import.meta.url));

/** Where test/setup/parts/qemu.sh puts the guests' kernel. */
export const kernelDirectory = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  'portlayer/kernel',
);

/** Why nothing can be tested here, or undefined. */
export function whyNot(): string | undefined {
  if (process.geteuid?.() !== 0) return 'the executor qemu is tested as root';
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return 'QEMU is missing: sh test/setup/parts/qemu.sh';
  if (!existsSync(join(kernelDirectory, 'boot')))
    return 'the guest kernel is missing: sh test/setup/parts/qemu.sh';
  if (!existsSync('/usr/bin/busybox') && !existsSync('/bin/busybox')) return 'busybox-static is missing';
  return undefined;
}

/** The executor `qemu` on this machine, in a state directory of its own, with guests of busybox. */
export async function qemuSubject(config: QemuConfig = {}): Promise<ExecutorSubject> {
  const stateDirectory = await mkdtemp('/var/tmp/plq-');
  const environment = await createLocalEnvironment({ stateDirectory, initBinary });
  const skip = whyNot();
  return {
    create: () => qemuExecutor.create({ accelerator: 'tcg', ...config }, { environment, log: () => {} }),
    loader: kernelLoader.create({}),
    spec: { executor: 'qemu', loader: 'kernel', network: 'none' },
    layersOfBlocks: true,
    ...(skip === undefined ? {} : { skip }),
    cleanUp: () => rm(stateDirectory, { recursive: true, force: true }),
  };
}
