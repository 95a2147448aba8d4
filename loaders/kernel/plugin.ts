import { findGuestKernel } from '../../portlayer/environments/machine/guest-kernel.js';
import type { Fingerprint } from '../../portlayer/model/capability.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { Loader, LoaderPlugin } from '../../portlayer/plugin/loader.js';
import { type KernelConfig, kernelConfigSchema } from './config.js';
import { planMachine } from './plan.js';

/** The loader `kernel`: a machine with a kernel of its own, whose PID 1 is the init and whose task is its child. */
export const kernelLoader: LoaderPlugin<KernelConfig> = {
  name: 'kernel',
  apiVersion: 1,
  configSchema: kernelConfigSchema,
  create: (config): Loader => ({
    name: 'kernel',
    capabilities: ['run', 'trigger'],
    fingerprint: host => fingerprintKernel(config, host),
    plan: spec => planMachine(config, spec),
  }),
};

async function fingerprintKernel(config: KernelConfig, host: Host | undefined): Promise<Fingerprint> {
  const shape = { level: 'loader', name: 'kernel' } as const;
  const kernel = host && (await findGuestKernel(host, config));
  if (kernel) {
    const findings = [
      { key: 'kernel', value: kernel.release },
      { key: 'kernel-image', value: kernel.image },
    ];
    return { ...shape, health: 'healthy', description: `Guests boot Linux ${kernel.release}.`, findings };
  }
  const reason = host
    ? `no kernel with modules at ${config.image ?? 'the cache or /boot'}`
    : 'only a Linux host has kernels to boot';
  const remedy =
    'Run: sh test/setup/parts/qemu.sh, or set "image" in the configuration of the loader kernel.';
  return {
    ...shape,
    health: 'unusable',
    description: 'There is no kernel for guests.',
    findings: [{ key: 'kernel', value: 'no', reason, remedy, removes: ['run', 'trigger'] }],
  };
}
