import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { CapabilitySet, Finding, Fingerprint } from '../../portlayer/model/capability.js';
import { instantCloneFinding } from './environment.js';
import type { Machines } from './machines.js';

/** What the executor finds in its vCenter: whether its settings name something, and what can be cloned. */
export async function fingerprintMachines(
  machines: Machines,
  tags: CapabilitySet,
  signal: AbortSignal,
): Promise<Fingerprint> {
  const shape = { level: 'executor', name: 'vsphere' } as const;
  try {
    const place = await machines.place(signal);
    const ours = await machines.all(signal);
    const { template = '', folder = '', source } = machines.config;
    const findings: Finding[] = [
      { key: 'template', value: template },
      { key: 'folder', value: folder || 'vm' },
      { key: 'logs', value: place.logs },
      { key: 'machines', value: String(ours.length) },
      instantCloneFinding(place.apiVersion),
      { key: 'clone-source', value: source },
    ];
    return { ...shape, health: 'healthy', description: `clones of ${template}`, findings };
  } catch (caught) {
    signal.throwIfAborted();
    const error = PortLayerError.from(caught);
    const reason = [error.message, error.found].filter(Boolean).join(' ');
    const finding = {
      key: 'template',
      value: 'no',
      reason,
      ...(error.remedy ? { remedy: error.remedy } : {}),
      removes: tags,
    };
    return { ...shape, health: 'unusable', description: reason, findings: [finding] };
  }
}
