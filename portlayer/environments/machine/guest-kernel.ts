import type { Host } from '../../plugin/host.js';

/** A kernel for guests that is on a host. */
export interface GuestKernel {
  /** The compressed kernel, a `bzImage`. */
  readonly image: string;
  readonly release: string;
  /** Holds `kernel/…/*.ko`. */
  readonly modules: string;
}

/** Directories in which a kernel is looked for, each with `boot/vmlinuz-RELEASE` and `lib/modules/RELEASE` below it. */
export interface KernelPlaces {
  /** A kernel's path from the configuration; its modules are found beside it. Nothing else is looked at then. */
  readonly image?: string;
  /** The directory of its modules; default: `../lib/modules/RELEASE` as seen from the kernel. */
  readonly modules?: string;
  /** Where the test set-up unpacks Debian's kernel; default: `portlayer/kernel` in the user's cache. */
  readonly cache?: string;
}

/** The kernel to boot guests with: the configured one, the one in the cache, or the host's own. Undefined where there is none with modules. */
export async function findGuestKernel(host: Host, places: KernelPlaces): Promise<GuestKernel | undefined> {
  if (places.image !== undefined) {
    const release = places.image.slice(places.image.lastIndexOf('/') + 1).replace(/^vmlinuz-?/, '');
    const beside = `${places.image.replace(/\/(boot\/)?[^/]*$/, '')}/lib/modules/${release}`;
    return whole(host, { image: places.image, release, modules: places.modules ?? beside });
  }
  const roots = [places.cache ?? defaultCache(), ''];
  for (const root of roots) {
    const entries = await host.files.list(`${root}/boot`).catch(() => []);
    const names = entries.map(entry => entry.name).filter(name => name.startsWith('vmlinuz-'));
    for (const name of names.reverse()) {
      const release = name.slice('vmlinuz-'.length);
      const modules = `${root}/lib/modules/${release}`;
      const found = await whole(host, { image: `${root}/boot/${name}`, release, modules });
      if (found) return found;
    }
  }
  return undefined;
}

async function whole(host: Host, kernel: GuestKernel): Promise<GuestKernel | undefined> {
  const there = await Promise.all([host.files.exists(kernel.image), host.files.exists(kernel.modules)]);
  return there.every(Boolean) ? kernel : undefined;
}

function defaultCache(): string {
  return `${process.env.XDG_CACHE_HOME ?? `${process.env.HOME ?? '/root'}/.cache`}/portlayer/kernel`;
}
