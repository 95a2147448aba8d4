import { PortLayerError } from '../errors/port-layer-error.js';
import type { Core } from './core.js';

/** Throws QUOTA_EXCEEDED where the container, or the store, has as much as it may. Nothing is removed for it. */
export function requireQuota(core: Core, containerUid: string): void {
  const { quota } = core.storePolicy;
  if (quota.containerBytes > 0 || quota.containerCount > 0) {
    const { checkpoints: count, bytes } = core.catalog.usage(containerUid);
    if (quota.containerCount > 0 && count >= quota.containerCount)
      throw over('containerCount', `${quota.containerCount} checkpoints of a container`, String(count));
    if (quota.containerBytes > 0 && bytes >= quota.containerBytes)
      throw over('containerBytes', `${quota.containerBytes} bytes for a container`, String(bytes));
  }
  if (quota.bytes === 0) return;
  const { bytes } = core.catalog.usage();
  if (bytes >= quota.bytes) throw over('bytes', `${quota.bytes} bytes in the store`, String(bytes));
}

function over(quota: string, required: string, found: string): PortLayerError {
  return new PortLayerError('QUOTA_EXCEEDED', 'The quota for checkpoints is used up.', {
    required: `less than ${required}`,
    found,
    remedy: 'Remove checkpoints (portlayer checkpoint rm), or raise store.quota in the configuration.',
    facts: { quota },
  });
}
