import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import ssh2, { type AuthenticationType, type Client, type ConnectConfig } from 'ssh2';
import { isErrno, PortLayerError } from '../../errors/port-layer-error.js';
import { type KnownHosts, keyDigest, keyType, parseKnownHosts } from './known-hosts.js';
import type { ResolvedTarget } from './resolve-target.js';

/** How a connection is made and watched; milliseconds. */
export interface ConnectTimes {
  readonly connectMs: number;
  readonly keepAliveMs: number;
}

/** A question that stays unanswered so many times is a cut. */
const UNANSWERED = 3;

/** By the speed of this library, fastest first; then what else it has. */
const ciphers = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
] as const;

/**
 * Connects to the last of `way` through the others. The first failure of any ends it with EXECUTOR_UNAVAILABLE, whose
 * fact `reason` is `key`, `authentication`, `host-key` or `unreachable`. Closing the last closes the others.
 */
export async function connectThrough(
  way: readonly ResolvedTarget[],
  times: ConnectTimes,
  signal: AbortSignal,
): Promise<Client> {
  let through: Client | undefined;
  for (const target of way) {
    const before = through;
    try {
      const sock = before && (await forward(before, target));
      through = await connectOne(target, times, sock, signal);
    } catch (caught) {
      before?.end();
      throw caught;
    }
    if (before) through.once('close', () => before.end());
  }
  if (!through) throw new Error('no way to a host');
  return through;
}

async function connectOne(
  target: ResolvedTarget,
  times: ConnectTimes,
  sock: Duplex | undefined,
  signal: AbortSignal,
): Promise<Client> {
  signal.throwIfAborted();
  const known = await readKnownHosts(target);
  const privateKeys = await readIdentities(target);
  const client = new ssh2.Client();
  let refusal: PortLayerError | undefined;
  const auths = [
    ...privateKeys.map(key => ({ type: 'publickey' as const, username: target.user, key })),
    ...(target.agent === undefined
      ? []
      : [{ type: 'agent' as const, username: target.user, agent: target.agent }]),
  ];
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.user,
    ...(sock ? { sock } : {}),
    ...(target.agent === undefined ? {} : { agent: target.agent }),
    authHandler: nextOf(auths) as unknown as AuthenticationType[],
    readyTimeout: times.connectMs,
    keepaliveInterval: times.keepAliveMs,
    keepaliveCountMax: UNANSWERED,
    algorithms: {
      cipher: { append: [], prepend: [...ciphers], remove: [] },
      serverHostKey: { append: [], prepend: wantedKeyTypes(known, target) as [], remove: [] },
    },
    hostVerifier: (key: Buffer) => {
      refusal = judgeKey(known, target, key);
      return refusal === undefined;
    },
  };
  return new Promise((resolve, reject) => {
    const abort = () => client.destroy();
    const settle = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    client.on('error', caught => {
      settle();
      reject(refusal ?? connectFailure(target, caught));
    });
    client.once('close', () => {
      settle();
      reject(refusal ?? connectFailure(target, new Error('it closed the connection')));
    });
    client.once('ready', () => {
      settle();
      client.setNoDelay(true);
      client.setMaxListeners(0); // Each operation under way listens for the end.
      resolve(client);
    });
    client.connect(config);
  });
}

/** ssh2 asks for one way to authenticate after the other; `false` is the end. */
function nextOf(
  auths: readonly object[],
): (left: unknown, partial: unknown, next: (auth: unknown) => void) => void {
  const waiting = [...auths];
  return (_left, _partial, next) => next(waiting.shift() ?? false);
}

async function forward(before: Client, target: ResolvedTarget): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    before.forwardOut('127.0.0.1', 0, target.host, target.port, (caught, channel) =>
      caught ? reject(connectFailure(target, caught)) : resolve(channel),
    );
  });
}

async function readKnownHosts(target: ResolvedTarget): Promise<KnownHosts> {
  const texts = await Promise.all(target.knownHosts.map(path => readFile(path, 'utf8').catch(() => '')));
  return parseKnownHosts(texts);
}

/** Types of key that the host is known by, first. An RSA key may sign with other digests than its name says. */
function wantedKeyTypes(known: KnownHosts, target: ResolvedTarget): readonly string[] {
  return known
    .typesOf(target.keyName, target.port)
    .flatMap(type => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type]))
    .filter(type => /^(ssh-(ed25519|rsa)|rsa-sha2-(256|512)|ecdsa-sha2-nistp(256|384|521))$/.test(type));
}

/** Why a host's key is not accepted; nothing where it is. */
function judgeKey(known: KnownHosts, target: ResolvedTarget, key: Buffer): PortLayerError | undefined {
  const shown = `${keyType(key)} ${keyDigest(key)}`;
  const facts = { host: target.alias, address: `${target.host}:${target.port}` };
  const where = `${target.host}:${target.port}`;
  if (target.hostKey !== undefined) {
    if (target.hostKey === keyDigest(key)) return undefined;
    return new PortLayerError(
      'EXECUTOR_UNAVAILABLE',
      `The host ${where} shows another key than the pinned one.`,
      {
        required: target.hostKey,
        found: shown,
        remedy:
          'If its key was changed by its owner, correct hostKey in the configuration. Otherwise somebody may stand between.',
        facts: { ...facts, reason: 'host-key' },
      },
    );
  }
  const verdict = known.judge(target.keyName, target.port, key);
  if (verdict === 'known' || (verdict === 'unknown' && target.trustUnknown)) return undefined;
  const files = target.knownHosts.join(', ');
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    verdict === 'unknown'
      ? `The key of the host ${where} is not known.`
      : verdict === 'revoked'
        ? `The key of the host ${where} was revoked.`
        : `The key of the host ${where} has changed.`,
    {
      required: `a key of it in ${files}`,
      found: shown,
      remedy:
        verdict === 'unknown'
          ? 'Compare it with what its owner says, then add it (ssh-keyscan, or ssh once), or pin it with hostKey.'
          : 'If its owner changed it, remove the old one with ssh-keygen -R. Otherwise somebody may stand between.',
      facts: { ...facts, reason: 'host-key' },
    },
  );
}

async function readIdentities(target: ResolvedTarget): Promise<readonly Buffer[]> {
  const keys: Buffer[] = [];
  for (const path of target.identityFiles) {
    let key: Buffer;
    try {
      key = await readFile(path);
    } catch (caught) {
      if (!target.identitiesNamed && isErrno(caught)) continue;
      throw badKey(target, path, caught instanceof Error ? caught.message : String(caught));
    }
    const parsed = ssh2.utils.parseKey(key);
    if (!(parsed instanceof Error)) keys.push(key);
    // One with a passphrase is the agent's matter.
    else if (target.identitiesNamed && target.agent === undefined) throw badKey(target, path, parsed.message);
  }
  return keys;
}

function badKey(target: ResolvedTarget, path: string, found: string): PortLayerError {
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    `The key for ${target.user}@${target.host} cannot be used.`,
    {
      required: `a private key in ${path}, without a passphrase or known to an agent`,
      found,
      remedy: 'Correct identityFiles, or add the key to an agent with ssh-add.',
      facts: { host: target.alias, file: path, reason: 'key' },
    },
  );
}

/** The error of an attempt to connect. */
function connectFailure(target: ResolvedTarget, caught: Error): PortLayerError {
  if (caught instanceof PortLayerError) return caught;
  const level = (caught as { level?: string }).level;
  const where = `${target.user}@${target.host}:${target.port}`;
  if (level === 'client-authentication' || level === 'agent') {
    return new PortLayerError(
      'EXECUTOR_UNAVAILABLE',
      `The host ${target.host} does not let ${target.user} in.`,
      {
        required: 'a key that it accepts',
        found: caught.message,
        remedy: `Try: ssh -p ${target.port} ${target.user}@${target.host}. Set user, identityFiles or agent accordingly.`,
        facts: { host: target.alias, address: where, reason: 'authentication' },
      },
    );
  }
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The host ${where} cannot be reached.`, {
    required: 'an SSH server that answers',
    found: caught.message,
    remedy: 'See that the host is up and the network lets you through. What runs there runs on.',
    facts: { host: target.alias, address: where, reason: 'unreachable' },
    cause: caught,
  });
}
