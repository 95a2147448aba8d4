import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import SSHConfig from 'ssh-config';
import { isErrno, PortLayerError } from '../../errors/port-layer-error.js';
import type { SshTarget } from './ssh-options.js';

/** A machine with everything filled in that a connection to it needs. */
export interface ResolvedTarget {
  /** As the configuration calls it. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFiles: readonly string[];
  /** Whether each of these must be there: they were named, not guessed. */
  readonly identitiesNamed: boolean;
  readonly agent: string | undefined;
  readonly knownHosts: readonly string[];
  /** The name its key is known under. */
  readonly keyName: string;
  readonly hostKey: string | undefined;
  readonly trustUnknown: boolean;
}

const usualIdentities = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * The machines on the way to a target, itself last: what the configuration says, then what `~/.ssh/config` says of the
 * name, then OpenSSH's defaults. Throws INVALID_SPEC where the file cannot be read, or machines go through each other.
 */
export async function resolveTarget(target: SshTarget): Promise<readonly ResolvedTarget[]> {
  return resolve(target, 0);
}

async function resolve(target: SshTarget, depth: number): Promise<readonly ResolvedTarget[]> {
  if (depth > 8) throw unfit('at most 8 machines on the way to another', `more, at ${target.host}`);
  const entry = await entryOf(target);
  const first = (key: string): string | undefined => entry[key]?.[0];
  const named = target.identityFiles ?? entry.identityfile;
  const user = target.user ?? first('user') ?? userInfo().username;
  const resolved: ResolvedTarget = {
    alias: target.host,
    host: first('hostname') ?? target.host,
    port: target.port ?? Number(first('port') ?? 22),
    user,
    identityFiles: (named ?? usualIdentities.map(name => `~/.ssh/${name}`)).map(fromHome),
    identitiesNamed: target.identityFiles !== undefined,
    agent: agentOf(target, first('identityagent')),
    knownHosts: knownHostsOf(target, entry.userknownhostsfile),
    keyName: first('hostkeyalias') ?? first('hostname') ?? target.host,
    hostKey: target.hostKey,
    trustUnknown: target.trustUnknown ?? false,
  };
  if (first('proxycommand') !== undefined && first('proxycommand') !== 'none')
    throw unfit('a target without ProxyCommand', `one for ${target.host}`);
  const jumps = target.jump ?? jumpsOf(first('proxyjump'), target);
  const before = await Promise.all(jumps.map(jump => resolve(jump, depth + 1)));
  return [...before.flat(), resolved];
}

type Entry = Readonly<Record<string, readonly string[] | undefined>>;

/** What `~/.ssh/config` says of a name, keys in small letters. */
async function entryOf(target: SshTarget): Promise<Entry> {
  if (target.configFile === false) return {};
  const path = fromHome(target.configFile ?? '~/.ssh/config');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (caught) {
    if (target.configFile === undefined && isErrno(caught) && caught.code === 'ENOENT') return {};
    throw unfit('a file that can be read', caught instanceof Error ? caught.message : String(caught), path);
  }
  try {
    // `Match exec` would run commands of the file's: passed over.
    const config = SSHConfig.parse(text).filter(line => !('criteria' in line));
    const computed = new SSHConfig(...config).compute(target.host);
    return Object.fromEntries(
      Object.entries(computed).map(([key, value]) => [
        key.toLowerCase(),
        Array.isArray(value) ? value : [value],
      ]),
    );
  } catch (caught) {
    throw unfit('a file of the form of ssh_config(5)', String(caught), path);
  }
}

function jumpsOf(text: string | undefined, target: SshTarget): readonly SshTarget[] {
  if (text === undefined || text === 'none') return [];
  const shared = {
    ...(target.configFile === undefined ? {} : { configFile: target.configFile }),
    ...(target.knownHosts === undefined ? {} : { knownHosts: target.knownHosts }),
  };
  return text.split(',').map(one => {
    const [, user, host, port] = /^(?:([^@]+)@)?([^:]+)(?::(\d+))?$/.exec(one.trim()) ?? [];
    if (host === undefined) throw unfit('[USER@]HOST[:PORT] in ProxyJump', one);
    return {
      host,
      ...(user === undefined ? {} : { user }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...shared,
    };
  });
}

function agentOf(target: SshTarget, configured: string | undefined): string | undefined {
  if (target.agent === false || (target.agent === undefined && configured === 'none')) return undefined;
  const said = target.agent ?? configured;
  return said === undefined || said === 'SSH_AUTH_SOCK' ? process.env.SSH_AUTH_SOCK : fromHome(said);
}

function knownHostsOf(target: SshTarget, configured: readonly string[] | undefined): readonly string[] {
  if (target.knownHosts !== undefined) return [fromHome(target.knownHosts)];
  const own = configured ?? ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'];
  return [...own.flatMap(files => files.split(/\s+/)).map(fromHome), '/etc/ssh/ssh_known_hosts'];
}

function fromHome(path: string): string {
  return path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path.replaceAll('%d', homedir());
}

function unfit(required: string, found: string, file?: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'How to reach the host cannot be made out.', {
    required,
    found,
    remedy: 'Correct the configuration of the environment, or ~/.ssh/config.',
    ...(file === undefined ? {} : { facts: { file } }),
  });
}
