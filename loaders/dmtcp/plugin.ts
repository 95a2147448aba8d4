import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Executor, Inside } from '../../portlayer/plugin/executor.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { Loader, LoaderPlugin } from '../../portlayer/plugin/loader.js';
import type { Mechanism } from '../../portlayer/plugin/mechanism.js';
import { dmtcpCard } from './card.js';
import { takeImages } from './checkpoint.js';
import { type DmtcpConfig, dmtcpConfigSchema } from './config.js';
import { dmtcpConstraints } from './constraints.js';
import type { KnownPorts } from './coordinator.js';
import { type DmtcpFound, findDmtcp, usable } from './find-dmtcp.js';
import { fingerprintOf } from './fingerprint.js';
import { installDmtcp } from './install.js';
import { type PlanParts, planLaunch } from './plan.js';
import { restartCopy } from './restore.js';
import { createUnchangedImages } from './unchanged-images.js';

/** The loader `dmtcp`: the task runs under DMTCP, in an executor with a network of its own, and is checkpointed by it. */
export const dmtcpLoader: LoaderPlugin<DmtcpConfig> = {
  name: 'dmtcp',
  apiVersion: 1,
  configSchema: dmtcpConfigSchema,
  create: config => createDmtcpLoader(config),
};

function createDmtcpLoader(config: DmtcpConfig): Loader {
  // Found once for each host, and again when a fingerprint is asked for.
  const known = new WeakMap<Host, Promise<DmtcpFound>>();
  const look = (host: Host): Promise<DmtcpFound> => {
    const found = findDmtcp(host, config.prefix);
    known.set(host, found);
    found.catch(() => known.delete(host));
    return found;
  };
  async function partsOn(host: Host): Promise<PlanParts> {
    const found = usable(await (known.get(host) ?? look(host)));
    return { config, found, install: await installDmtcp(host, found) };
  }
  return {
    name: 'dmtcp',
    capabilities: ['run', 'trigger', 'checkpoint:dmtcp'],
    needs: ['inside'],
    withholds: {
      'checkpoint:criu': "the loader dmtcp: a task's connection to its coordinator would be lost",
    },
    async fingerprint(host) {
      if (!host) return fingerprintOf(noHost, false);
      const found = await look(host);
      if (found.bin === undefined) return fingerprintOf(found, false);
      return fingerprintOf(found, (await installDmtcp(host, found)).tool);
    },
    async plan(spec, host) {
      if (!host) throw new PortLayerError('CAPABILITY_MISSING', noHost.reason, { remedy: noHost.remedy });
      return planLaunch(await partsOn(host), spec);
    },
    checkpoint: mechanismOf(config, partsOn),
  };
}

const noHost = {
  version: '',
  reason: 'DMTCP needs a Linux host',
  remedy: 'Choose an environment of kind local or ssh.',
};

function mechanismOf(config: DmtcpConfig, partsOn: (host: Host) => Promise<PlanParts>): Mechanism {
  const ports: KnownPorts = new Map();
  const unchanged = createUnchangedImages();
  return {
    name: 'dmtcp',
    level: 'loader',
    card: dmtcpCard,
    constraints: dmtcpConstraints,
    async checkpoint(container, into, gate, options, signal) {
      const access = insideOf(container.executor);
      const { found } = await partsOn(access.host);
      return takeImages({ config, found, access, ports, unchanged }, container, into, gate, options, signal);
    },
    async restore(from, as, executor, signal) {
      const access = insideOf(executor);
      return restartCopy(
        await partsOn(access.host),
        { access, ports, unchanged },
        from,
        as,
        executor,
        signal,
      );
    },
  };
}

function insideOf(executor: Executor): Inside {
  if (executor.inside) return executor.inside;
  throw new PortLayerError(
    'CAPABILITY_MISSING',
    `The loader dmtcp cannot work in the executor ${executor.name}.`,
    {
      required: 'an executor with inside',
      found: executor.capabilities.join(', '),
      remedy: 'Use the executor container.',
      facts: { level: 'executor', name: executor.name },
    },
  );
}
