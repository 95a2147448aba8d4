import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DmtcpFound, findDmtcp } from '../../../loaders/dmtcp/find-dmtcp.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { initBinary } from '../container/subject.js';

/** Runs `use` with the local host, in a state directory of its own. */
export async function withHost<T>(use: (host: Host) => Promise<T>): Promise<T> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'pl-dmtcp-'));
  try {
    const environment = await createLocalEnvironment({ stateDirectory, initBinary });
    if (!environment.host) throw new Error('the local environment has no host');
    return await use(environment.host);
  } finally {
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

/** The DMTCP of this machine, or why there is none. */
export function findHere(prefix?: string): Promise<DmtcpFound> {
  return withHost(host => findDmtcp(host, prefix));
}

/** Why nothing can be tested here with real containers, or undefined. */
export async function whyNot(): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return 'runc needs root';
  if (!existsSync('/usr/bin/runc') && !existsSync('/usr/sbin/runc'))
    return 'runc is missing: apt-get install runc';
  const found = await findHere();
  return found.bin === undefined ? `DMTCP: ${found.reason}` : undefined;
}
