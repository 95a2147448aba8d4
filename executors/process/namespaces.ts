import type { Finding } from '../../portlayer/model/capability.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { findTool } from './tools.js';

/** The kinds of namespaces this executor uses; `user` only where the service is not root. */
export type NamespaceKind = 'user' | 'pid' | 'mount' | 'ipc' | 'uts' | 'net';

/** What a host gave when each kind was tried once. */
export interface Namespaces {
  /** Absolute path of `unshare`; absent where nothing can be had. */
  readonly unshare?: string;
  readonly kinds: ReadonlySet<NamespaceKind>;
  readonly findings: readonly Finding[];
}

const wanted = ['pid', 'mount', 'ipc', 'uts', 'net'] as const;

/** Tries each kind with `unshare … true`. With `none` nothing is tried. */
export async function tryNamespaces(host: Host, mode: 'auto' | 'none'): Promise<Namespaces> {
  if (mode === 'none')
    return without('namespaces are switched off in the configuration', 'Set namespaces to auto.');
  const unshare = await findTool(host, 'unshare');
  if (!unshare) return without('there is no unshare command', 'apt-get install util-linux');
  const user = host.uid === 0 ? [] : ['--user', '--map-root-user'];
  const trial = (options: readonly string[]) => host.run([unshare, ...user, ...options, '/bin/true']);
  if (user.length > 0) {
    const done = await trial([]);
    if (done.code !== 0) {
      return without(
        `user namespaces: ${done.stderr.trim()}`,
        'sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000',
      );
    }
  }
  const kinds = new Set<NamespaceKind>(user.length > 0 ? ['user'] : []);
  const findings: Finding[] = user.length > 0 ? [{ key: 'user-namespace', value: 'yes' }] : [];
  const results = await Promise.all(
    wanted.map(kind => trial(kind === 'pid' ? ['--pid', '--fork'] : [`--${kind}`])),
  );
  for (const [i, kind] of wanted.entries()) {
    const done = results[i];
    if (done?.code === 0) kinds.add(kind);
    findings.push(
      done?.code === 0
        ? { key: `${kind}-namespace`, value: 'yes' }
        : {
            key: `${kind}-namespace`,
            value: 'no',
            reason: done?.stderr.trim() ?? '',
            remedy: 'Run the service as root.',
          },
    );
  }
  // A mount namespace is of use only with a /proc that fits the pid namespace; the init needs both or neither.
  if (kinds.has('mount') !== kinds.has('pid')) {
    kinds.delete('mount');
    kinds.delete('pid');
  }
  return { unshare, kinds, findings };
}

function without(reason: string, remedy: string): Namespaces {
  return {
    kinds: new Set(),
    findings: [{ key: 'namespaces', value: 'no', reason, remedy, removes: ['exec'] }],
  };
}
