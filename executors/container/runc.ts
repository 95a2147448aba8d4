import { findTool } from '../../portlayer/environments/process/find-tool.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { whyNotRootless } from './rootless.js';

/** runc on one host, or why there is none to use. */
export type RuncFound =
  | { readonly path: string; readonly version: string }
  | { readonly path?: undefined; readonly reason: string; readonly remedy: string };

/** Looks for runc, where it is not told where it is, and asks its version. */
export async function findRunc(host: Host, told: string | undefined): Promise<RuncFound> {
  const path = told ?? (await findTool(host, 'runc'));
  if (path === undefined)
    return { reason: 'there is no command runc', remedy: 'Install it: apt-get install runc' };
  const without = host.uid === 0 ? undefined : await whyNotRootless(host);
  if (without !== undefined) {
    const remedy =
      'Allow user namespaces (sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000), or run the service as root.';
    return { reason: without, remedy };
  }
  const done = await host.run([path, '--version']);
  const version = /^runc version (\S+)/m.exec(done.stdout)?.[1];
  if (version !== undefined) return { path, version };
  return {
    reason: `${path} does not run: ${done.stderr.trim().slice(0, 200)}`,
    remedy: 'Install it: apt-get install runc',
  };
}

/** The path of runc. Throws EXECUTOR_UNAVAILABLE with the reason where it cannot be used. */
export function runcPath(found: RuncFound): string {
  if (found.path !== undefined) return found.path;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The executor container cannot be used on this host.', {
    required: 'runc, as root or with user namespaces',
    found: found.reason,
    remedy: found.remedy,
    facts: { level: 'executor', name: 'container' },
  });
}

/** The reason in runc's own log (one JSON object for each line): the last line of level error; nothing where there is none. */
export async function lastRuncError(host: Host, log: string): Promise<string | undefined> {
  const text = await host.files.read(log).then(String, () => '');
  for (const line of text.trim().split('\n').reverse()) {
    const [, level, message] = /"level":"(error|fatal)","msg":("(?:[^"\\]|\\.)*")/.exec(line) ?? [];
    if (level !== undefined && message !== undefined) return String(JSON.parse(message)).slice(0, 500);
  }
  return undefined;
}
