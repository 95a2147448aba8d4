import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { LaunchPlan } from '../../portlayer/plugin/loader.js';
import type { KernelConfig } from './config.js';

const defaultPath = '/run/portlayer/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What guests need of a kernel: virtio over both of its transports, ports, disk and network. What a kernel has built in
 * is passed over; what these need is found.
 */
const modules = ['virtio_mmio', 'virtio_pci', 'virtio_console', 'virtio_blk', 'virtio_net', 'ext4'];

/**
 * The kernel's command line. A machine that panics ends (`panic=-1`, with QEMU's -no-reboot); `mitigations=off`, since
 * nothing in a guest is kept from its own kernel that is worth their cost under TCG.
 */
const append = 'console=ttyS0 panic=-1 reboot=t quiet loglevel=4 mitigations=off random.trust_cpu=on';

/** The plan for a machine: the task with its environment, and kernel, modules and command line to boot it with. Pure. */
export function planMachine(config: KernelConfig, spec: ContainerSpec): LaunchPlan {
  const root = (spec.task.user?.uid ?? 0) === 0;
  const defaults = { PATH: defaultPath, HOME: root ? '/root' : '/', HOSTNAME: spec.hostname ?? spec.name };
  return {
    argv: spec.task.argv,
    env: { ...defaults, ...spec.task.env },
    bring: [],
    waitForAll: false,
    machine: {
      ...(config.image === undefined ? {} : { image: config.image }),
      ...(config.modules === undefined ? {} : { modulesDirectory: config.modules }),
      modules: [...modules, ...(config.extraModules ?? [])],
      append: config.append === undefined ? append : `${append} ${config.append}`,
    },
  };
}
