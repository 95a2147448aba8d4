import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repeatFingerprint } from '../../portlayer/environments/fingerprint/repeat-fingerprint.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import { compareVersions } from '../../portlayer/model/constraint.js';
import type { EnvironmentPlugin } from '../../portlayer/plugin/environment.js';
import { environmentConfigSchema, type VsphereEnvironmentConfig } from './config.js';
import { readCredentials } from './credentials.js';
import type { VCenter, VsphereEnvironment } from './vcenter.js';
import { VimClient } from './vim/client.js';
import { readBelow } from './vim/properties.js';
import { createTransport } from './vim/transport.js';

const refreshMs = 60_000;
/** Instant Clone is there since. Source: the API reference of vSphere. */
export const INSTANT_CLONE_SINCE = '6.7';

/** The kind `vsphere`: a vCenter. Its connection is made when it is first needed, and made again when it is lost. */
export const vsphereEnvironment: EnvironmentPlugin<VsphereEnvironmentConfig> = {
  kind: 'vsphere',
  apiVersion: 1,
  configSchema: environmentConfigSchema,
  async create(config, services): Promise<VsphereEnvironment> {
    const ca = config.ca === undefined ? undefined : await readCa(config.ca);
    const transport = createTransport(config.server, ca);
    const cache = join(services.stateDirectory, 'wsdl');
    const vim = new VimClient(transport, () => readCredentials(config.credentials), cache);
    const vcenter: VCenter = { server: config.server, vim, transport };
    return {
      name: services.name,
      kind: 'vsphere',
      capabilities: ['run'],
      vcenter,
      fingerprint: signal =>
        repeatFingerprint(() => fingerprint(services.name, vcenter, signal), refreshMs, signal),
      async [Symbol.asyncDispose]() {
        await vim.logout();
        transport.close();
      },
    };
  },
};

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new PortLayerError('INVALID_SPEC', `The file with the vCenter's CA cannot be read.`, {
      required: 'a PEM file',
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: 'Correct the setting ca.',
      facts: { field: 'ca' },
      cause,
    });
  }
}

async function fingerprint(name: string, vcenter: VCenter, signal: AbortSignal): Promise<Fingerprint> {
  const shape = { level: 'environment', name } as const;
  try {
    const { about, rootFolder } = await vcenter.vim.content({ signal });
    const named = async (type: string) => {
      const found = await readBelow(vcenter.vim, rootFolder, type, ['name'], { signal });
      return found.map(one => String(one.values.name)).sort();
    };
    const [hosts, datastores, networks] = [
      await named('HostSystem'),
      await named('Datastore'),
      await named('Network'),
    ];
    const findings: Finding[] = [
      { key: 'server', value: vcenter.server },
      { key: 'version', value: about.version },
      { key: 'build', value: about.build },
      { key: 'api-version', value: about.apiVersion },
      instantCloneFinding(about.apiVersion),
      { key: 'hosts', value: hosts.join(',') },
      { key: 'datastores', value: datastores.join(',') },
      { key: 'networks', value: networks.join(',') },
    ];
    return {
      ...shape,
      health: 'healthy',
      description: `${about.name} ${about.version} at ${vcenter.server}`,
      findings,
    };
  } catch (caught) {
    signal.throwIfAborted();
    const error = PortLayerError.from(caught);
    const reason = [error.message, error.found].filter(Boolean).join(' ');
    const finding = { key: 'server', value: 'no', reason, ...(error.remedy ? { remedy: error.remedy } : {}) };
    return { ...shape, health: 'unusable', description: reason, findings: [finding] };
  }
}

/** Whether a vCenter of this version has InstantClone_Task. */
export function instantCloneFinding(apiVersion: string): Finding {
  if (compareVersions(apiVersion, INSTANT_CLONE_SINCE) >= 0) return { key: 'instant-clone', value: 'yes' };
  const reason = `the API is ${apiVersion}, and Instant Clone is there since ${INSTANT_CLONE_SINCE}: without it machines cannot be forked`;
  return { key: 'instant-clone', value: 'no', reason, removes: ['checkpoint:vmfork', 'parent'] };
}
