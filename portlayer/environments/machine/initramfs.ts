import { createHash } from 'node:crypto';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';
import { encodeCpio } from './cpio.js';
import type { GuestKernel } from './guest-kernel.js';
import { collectModules } from './kernel-modules.js';

const DIRECTORY = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;

/** What the init in a guest is started with. */
export interface GuestLaunch {
  /** The arguments of `portlayer-init`, from `init` on. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The initramfs of all guests with this kernel: the init and the modules in the order of their dependencies. Made once
 * below `directory` for each kernel, init and list of modules; the path of the file.
 */
export async function buildInitramfs(
  host: Host,
  directory: string,
  kernel: GuestKernel,
  modules: readonly string[],
): Promise<string> {
  const init = await host.files.read(host.initBinary);
  const key = createHash('sha256')
    .update(init)
    .update(`${kernel.image}\0${modules.join(',')}`)
    .digest('hex');
  const path = `${directory}/initramfs-${key.slice(0, 16)}`;
  if (await host.files.exists(path)) return path;
  const loaded = await collectModules(host, kernel, modules);
  const archive = encodeCpio([
    { name: 'modules', mode: DIRECTORY },
    { name: 'portlayer-init', mode: PROGRAM, data: init },
    ...loaded.map((module, i) => ({
      name: `modules/${String(i).padStart(2, '0')}-${module.file}`,
      mode: FILE,
      data: module.data,
    })),
  ]);
  await host.files.makeDirectory(directory, 0o755);
  await host.files.writeAtomic(path, archive, 0o644);
  return path;
}

/** Writes one guest's initramfs: that of all guests, and the file `/launch` with what to start in this one. */
export async function writeGuestInitramfs(
  host: Host,
  base: string,
  launch: GuestLaunch,
  path: string,
): Promise<void> {
  const env = Object.entries(launch.env).map(([key, value]) => `${key}=${value}`);
  const strings = [String(env.length), ...env, ...launch.argv];
  const data = Buffer.from(strings.map(text => `${text}\0`).join(''));
  const input = encodeCpio([{ name: 'launch', mode: FILE, data }]);
  const done = await host.run(['/bin/sh', '-c', 'umask 077; cat "$1" - >"$2"', 'sh', base, path], { input });
  if (done.code === 0) return;
  const noRoom = /No space left|quota/i.test(done.stderr);
  throw new PortLayerError(
    noRoom ? 'STORE_FULL' : 'INTERNAL',
    'The initramfs of the guest could not be written.',
    {
      found: done.stderr.trim().slice(0, 300),
      remedy: 'Free space and repeat the call.',
    },
  );
}
