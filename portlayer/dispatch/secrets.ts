import { createHash } from 'node:crypto';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { LEAST_SECRET_BYTES, MOST_SECRET_BYTES, type SecretSpec } from '../model/secret-spec.js';
import type { Host } from '../plugin/host.js';
import type { Brought } from '../plugin/loader.js';
import type { Core } from './core.js';

/** What a start gets beside its spec. */
export interface Injected {
  readonly env: Readonly<Record<string, string>>;
  readonly bring: readonly Brought[];
}

/** A value that was injected into a container once. */
export interface KnownSecret {
  readonly name: string;
  readonly value: Buffer;
}

/** Throws INVALID_SPEC for secrets that contradict each other or the rest of the spec. Pure. */
export function checkSecrets(spec: ContainerSpec): void {
  const { secrets = [] } = spec;
  const wrong = (found: string, required: string): PortLayerError =>
    new PortLayerError('INVALID_SPEC', 'The secrets of the container are not valid.', {
      required,
      found,
      remedy: 'Correct the secret: --secret NAME,source=FILE,env=VAR or target=PATH',
      facts: { field: 'secrets' },
    });
  for (const [i, { name, env, target }] of secrets.entries()) {
    if (env === undefined && target === undefined) throw wrong(`${name} with neither`, 'an env or a target');
    if (secrets.findIndex(other => other.name === name) !== i)
      throw wrong(`${name} twice`, 'names that differ');
    if (env !== undefined && env in spec.task.env)
      throw wrong(`${env} in the environment too`, 'one value for it');
  }
}

/**
 * Reads the secrets of a container as they are now and keeps what was read with the container, readable by the
 * service's user alone: the files are mounted from there, and a later search of its images needs to know the values.
 * Throws NOT_FOUND, INVALID_SPEC, or CAPABILITY_MISSING where the environment is no Linux host.
 */
export async function inject(core: Core, uid: string, spec: ContainerSpec): Promise<Injected> {
  const { secrets = [] } = spec;
  if (secrets.length === 0) return { env: {}, bring: [] };
  const { host } = core.registry.environment(spec.environment);
  if (!host) {
    throw new PortLayerError('CAPABILITY_MISSING', `The environment ${spec.environment} takes no secrets.`, {
      required: 'a Linux host',
      found: spec.environment,
      remedy: 'Leave the secrets out, or choose another environment.',
      facts: { level: 'environment', name: spec.environment },
    });
  }
  await host.files.makeDirectory(directoryOf(host, uid), 0o700);
  const env: Record<string, string> = {};
  const bring: Brought[] = [];
  for (const secret of secrets) {
    const value = await readSecret(host, secret);
    const digest = createHash('sha256').update(value).digest('hex').slice(0, 12);
    const path = `${directoryOf(host, uid)}/${secret.name}.${digest}`;
    // The directory keeps others out; inside, as with docker, any user of the container may read it.
    if (!(await host.files.exists(path))) await host.files.writeAtomic(path, value, 0o444);
    if (secret.env !== undefined) env[secret.env] = trimmed(value).toString();
    if (secret.target !== undefined) bring.push({ source: path, target: secret.target });
  }
  return { env, bring };
}

/** Every value that was ever injected into a container or what it was copied from. */
export async function knownSecrets(
  core: Core,
  uid: string,
  spec: Pick<ContainerSpec, 'environment'>,
): Promise<readonly KnownSecret[]> {
  const { host } = core.registry.environment(spec.environment);
  if (!host || !(await host.files.exists(directoryOf(host, uid)))) return [];
  const known: KnownSecret[] = [];
  for (const { name, kind } of await host.files.list(directoryOf(host, uid))) {
    const label = /^(.+)\.[0-9a-f]{12}$/.exec(name)?.[1];
    if (kind !== 'file' || label === undefined) continue;
    known.push({ name: label, value: trimmed(await host.files.read(`${directoryOf(host, uid)}/${name}`)) });
  }
  return known;
}

/** A copy's memory holds what its original was given. */
export async function inheritSecrets(
  core: Core,
  from: string,
  to: string,
  spec: ContainerSpec,
): Promise<void> {
  const { host } = core.registry.environment(spec.environment);
  if (!host || from === to || !(await host.files.exists(directoryOf(host, from)))) return;
  await host.files.makeDirectory(directoryOf(host, to), 0o700);
  for (const { name } of await host.files.list(directoryOf(host, from))) {
    const value = await host.files.read(`${directoryOf(host, from)}/${name}`);
    await host.files.writeAtomic(`${directoryOf(host, to)}/${name}`, value, 0o444);
  }
}

/** Forgets what was injected into a container, once neither it nor a checkpoint of it is left. */
export async function forgetSecrets(
  core: Core,
  uid: string,
  spec: Pick<ContainerSpec, 'environment'>,
): Promise<void> {
  const { host } = core.registry.environment(spec.environment);
  if (!host || core.catalog.containerByUid(uid)) return;
  const states = ['captured', 'committing', 'committed'] as const;
  if (core.catalog.checkpoints({ states, containerUid: uid, limit: 1 }).items.length > 0) return;
  await host.files.remove(directoryOf(host, uid));
}

function directoryOf(host: Host, uid: string): string {
  return `${host.stateDirectory}/secrets/${uid}`;
}

async function readSecret(host: Host, { name, source }: SecretSpec): Promise<Buffer> {
  const value = await host.files.read(source).catch((cause: unknown) => {
    throw new PortLayerError('NOT_FOUND', `The secret ${name} cannot be read.`, {
      required: `a file at ${source}`,
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: 'Put the value there, or correct the path.',
      facts: { field: 'secrets', secret: name },
      cause,
    });
  });
  const bytes = trimmed(value).length;
  if (bytes >= LEAST_SECRET_BYTES && value.length <= MOST_SECRET_BYTES && !value.includes(0)) return value;
  throw new PortLayerError('INVALID_SPEC', `The secret ${name} cannot be used.`, {
    required: `${LEAST_SECRET_BYTES} to ${MOST_SECRET_BYTES} bytes of text`,
    found: `${bytes} bytes${value.includes(0) ? ' with a zero among them' : ''}`,
    remedy: 'Use a longer value: a shorter one would be found in every image by chance.',
    facts: { field: 'secrets', secret: name },
  });
}

/** Without the line end that editors add: what a task makes of the file. */
function trimmed(value: Buffer): Buffer {
  let end = value.length;
  while (end > 0 && (value[end - 1] === 10 || value[end - 1] === 13)) end -= 1;
  return value.subarray(0, end);
}
