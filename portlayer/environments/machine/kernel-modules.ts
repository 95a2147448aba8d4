import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';
import type { GuestKernel } from './guest-kernel.js';

/** One module as it goes into an initramfs. */
export interface KernelModule {
  /** Its file's name: `virtio_blk.ko`, or compressed, `virtio_blk.ko.xz`. */
  readonly file: string;
  readonly data: Buffer;
}

/**
 * The modules of these names and all they need, in the order in which they must be loaded. A name that is no file is
 * taken as built in. What a module needs is read from the module itself (`depends=`), since a kernel package that was
 * only unpacked has no `modules.dep`; of a compressed one nothing is read, so that its needs must be named as well.
 */
export async function collectModules(
  host: Host,
  kernel: GuestKernel,
  names: readonly string[],
): Promise<readonly KernelModule[]> {
  const done = await host.run(['find', `${kernel.modules}/kernel`, '-name', '*.ko*', '-type', 'f']);
  const paths = new Map(
    done.stdout
      .split('\n')
      .filter(Boolean)
      .map(path => [moduleName(path), path]),
  );
  if (paths.size === 0) {
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The guest kernel has no modules.', {
      required: `modules below ${kernel.modules}/kernel`,
      found: 'none',
      remedy: 'Unpack the whole kernel package, or set "modules" in the configuration of the loader kernel.',
    });
  }
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name);
    if (path === undefined || ordered.has(name)) return;
    const data = await host.files.read(path);
    for (const need of needsOf(data)) await visit(need);
    ordered.set(name, { file: path.slice(path.lastIndexOf('/') + 1), data });
  };
  for (const name of names) await visit(name.replaceAll('-', '_'));
  return [...ordered.values()];
}

function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.ko.*$/, '')
    .replaceAll('-', '_');
}

/** The section `.modinfo` is a list of `key=value` with NUL between them. */
function needsOf(data: Buffer): readonly string[] {
  const at = data.indexOf('\0depends=');
  if (at < 0) return [];
  const end = data.indexOf(0, at + 1);
  const text = data.toString('latin1', at + '\0depends='.length, end);
  return text
    .split(',')
    .filter(Boolean)
    .map(name => name.replaceAll('-', '_'));
}
