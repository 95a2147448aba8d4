import { mkdir } from 'node:fs/promises';
import type { Environment } from '../../plugin/environment.js';
import { fingerprintHost } from '../fingerprint/host-findings.js';
import { repeatFingerprint } from '../fingerprint/repeat-fingerprint.js';
import { createLocalHost } from './local-host.js';

/** What a local environment needs to know. */
export interface LocalEnvironmentOptions {
  /** The environment's name; `local` unless said otherwise. */
  readonly name?: string;
  /** Absolute; made with mode 0700 where it is missing. */
  readonly stateDirectory: string;
  /** Absolute path of `portlayer-init`. */
  readonly initBinary: string;
}

const refreshMs = 30_000;

/** The environment of kind `local`: this machine. Its own disposal ends nothing that runs. */
export async function createLocalEnvironment(options: LocalEnvironmentOptions): Promise<Environment> {
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o700 });
  const host = createLocalHost({ ...options, name: options.name ?? 'local' });
  return {
    name: host.name,
    kind: 'local',
    capabilities: ['host'],
    host,
    fingerprint: signal => repeatFingerprint(() => fingerprintHost(host, signal), refreshMs, signal),
    async [Symbol.asyncDispose]() {},
  };
}
