import { carryDirectory } from '../environments/travel/carry.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { type Host, isUnreachable } from '../plugin/host.js';
import type { HeldImage } from '../store/image-holds.js';
import type { Core } from './core.js';

/** The host of an environment, where it is another machine than the service's. */
export function remoteHost(core: Core, environment: string): Host | undefined {
  const { host } = core.registry.environment(environment);
  return host?.untilReachable ? host : undefined;
}

/** The service's own machine. */
export function ownHost(core: Core): Host {
  const host = core.registry.environment('local').host;
  if (!host) throw new Error('the environment local has no host');
  return host;
}

/** Where the files of a dump are on a remote host while it is made, and afterwards as a copy of what the store has. */
function copyOn(host: Host, crid: string): string {
  return `${host.stateDirectory}/staging/${crid}`;
}

/** An empty directory for a dump, on the host where the mechanism works. */
export async function stageOn(core: Core, environment: string, crid: string): Promise<string> {
  const staged = await core.store.stage(crid);
  const host = remoteHost(core, environment);
  if (!host) return staged;
  const path = copyOn(host, crid);
  await host.files.remove(path);
  await host.files.makeDirectory(path, 0o700);
  return path;
}

/** Brings a finished dump into the service's store: from then on the host is not needed for it. */
export async function pullDump(
  core: Core,
  environment: string,
  crid: string,
  signal: AbortSignal,
): Promise<void> {
  const host = remoteHost(core, environment);
  if (!host) return;
  const staged = await core.store.stage(crid);
  const own = ownHost(core);
  await own.files.remove(staged);
  await carryDirectory({ host, path: copyOn(host, crid) }, { host: own, path: staged }, signal);
}

/**
 * The dump of a checkpoint as files on the host of an environment, for as long as it is held: sent there if it is not
 * there yet. A copy there that is whole stays for the next.
 */
export async function holdOn(
  core: Core,
  environment: string,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<HeldImage> {
  const host = remoteHost(core, environment);
  const { crid } = record;
  if (!host) return core.store.hold(crid);
  const path = copyOn(host, crid);
  await core.locks.run(
    `copy of ${crid} on ${environment}`,
    'send',
    async () => {
      if (await host.files.exists(path)) return;
      await host.files.makeDirectory(`${host.stateDirectory}/staging`, 0o700);
      const held = await core.store.hold(crid);
      try {
        await carryDirectory({ host: ownHost(core), path: held.directory }, { host, path }, signal);
      } finally {
        held.release();
      }
    },
    Infinity,
  );
  return { directory: path, release: () => {} };
}

/** Removes the copies of a checkpoint's dump on other hosts; one that cannot be reached is swept when it can. */
export async function dropCopies(core: Core, crid: string): Promise<void> {
  for (const environment of core.registry.environments()) {
    const host = remoteHost(core, environment);
    if (!host) continue;
    try {
      await host.files.remove(copyOn(host, crid));
    } catch (caught) {
      if (!isUnreachable(caught)) core.log(`copy of ${crid} on ${environment}: ${String(caught)}`);
    }
  }
}

/** Removes copies on a host whose checkpoints there are no more, and what was left half sent. */
export async function sweepCopies(core: Core, environment: string): Promise<void> {
  const host = remoteHost(core, environment);
  if (!host) return;
  const staging = `${host.stateDirectory}/staging`;
  if (!(await host.files.exists(staging))) return;
  for (const { name } of await host.files.list(staging)) {
    const state = core.catalog.checkpoint(name)?.state;
    if (state !== 'captured' && state !== 'committing' && state !== 'committed')
      await host.files.remove(`${staging}/${name}`);
  }
}
