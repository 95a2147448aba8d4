import type { Finding } from '../../portlayer/model/capability.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { DiskStrategy } from './config.js';
import type { Layout } from './layout.js';
import type { Namespaces } from './namespaces.js';

/** The strategy for writable layers on one host, and how it was chosen. */
export interface ChosenDisk {
  readonly strategy: DiskStrategy;
  readonly findings: readonly Finding[];
}

/** Tries overlay, then reflink, on the state directory's own file system; copy always works. `forced` is taken as it is. */
export async function chooseDisk(
  host: Host,
  layout: Layout,
  namespaces: Namespaces,
  forced: DiskStrategy | undefined,
): Promise<ChosenDisk> {
  if (forced !== undefined) {
    return {
      strategy: forced,
      findings: [{ key: 'disk', value: forced, reason: 'set in the configuration' }],
    };
  }
  const trial = `${layout.trial}/${host.uid}-${Date.now()}`;
  const reasons: string[] = [];
  try {
    for (const name of ['lower', 'upper', 'work', 'merged'])
      await host.files.makeDirectory(`${trial}/${name}`, 0o700);
    const overlay = await tryOverlay(host, namespaces, trial);
    if (overlay === '') return { strategy: 'overlay', findings: [{ key: 'disk', value: 'overlay' }] };
    reasons.push(`overlay: ${overlay}`);
    const reflink = await tryReflink(host, trial);
    if (reflink === '') return { strategy: 'reflink', findings: [found('reflink', reasons)] };
    reasons.push(`reflink: ${reflink}`);
    return { strategy: 'copy', findings: [found('copy', reasons)] };
  } finally {
    await host.files.remove(trial);
  }
}

function found(value: DiskStrategy, reasons: readonly string[]): Finding {
  const remedy =
    'Put the state directory on a file system that overlayfs accepts (ext4, xfs), or on btrfs or xfs for reflinks.';
  return { key: 'disk', value, reason: reasons.join('; '), remedy };
}

/** Empty where it works, else why not. */
async function tryOverlay(host: Host, namespaces: Namespaces, trial: string): Promise<string> {
  if (!namespaces.unshare || !namespaces.kinds.has('mount')) return 'no mount namespace';
  const rootless = namespaces.kinds.has('user');
  const options = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work${rootless ? ',userxattr' : ''}`;
  const done = await host.run([
    namespaces.unshare,
    ...(rootless ? ['--user', '--map-root-user'] : []),
    '--mount',
    'mount',
    '-t',
    'overlay',
    'overlay',
    '-o',
    options,
    `${trial}/merged`,
  ]);
  return done.code === 0 ? '' : done.stderr.trim().split('\n')[0] || `exit code ${done.code}`;
}

async function tryReflink(host: Host, trial: string): Promise<string> {
  await host.files.writeAtomic(`${trial}/file`, 'x', 0o600);
  const done = await host.run(['cp', '--reflink=always', '--', `${trial}/file`, `${trial}/again`]);
  return done.code === 0 ? '' : done.stderr.trim();
}
