import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { FullVsphereConfig } from './config.js';
import type { VCenter } from './vcenter.js';
import { readBelow, readObjects } from './vim/properties.js';
import { type Ref, ref } from './vim/wire.js';

/** Everything in the inventory that the executor works with. References: good until the vCenter restarts. */
export interface Place {
  readonly datacenter: Ref;
  readonly datacenterPath: string;
  readonly folder: Ref;
  readonly template: Ref;
  readonly pool: Ref;
  /** `[datastore] directory`, without a slash at its end. */
  readonly logs: string;
  readonly apiVersion: string;
}

/** Looks everything up by the paths of the configuration. Throws INVALID_SPEC naming the setting whose object is not there. */
export async function findPlace(
  vcenter: VCenter,
  config: FullVsphereConfig,
  signal: AbortSignal,
): Promise<Place> {
  const { vim } = vcenter;
  const { about } = await vim.content({ signal });
  const datacenter = config.datacenter ?? (await onlyDatacenter(vcenter, signal));
  const at = async (setting: string, path: string, type: string) => {
    const { searchIndex } = await vim.content({ signal });
    const args = { _this: ref(searchIndex), inventoryPath: path };
    const found = (await vim.call('FindByInventoryPath', args, { signal })) as Ref | undefined;
    if (found?.type === type) return found;
    throw missing(setting, path, type, found);
  };
  if (config.template === undefined) throw missing('template', 'not set', 'VirtualMachine', undefined);
  const vms = `${datacenter}/vm`;
  const template = await at('template', `${vms}/${config.template}`, 'VirtualMachine');
  const found = await readObjects(vim, [template], ['resourcePool', 'config.files.vmPathName'], { signal });
  const { resourcePool, 'config.files.vmPathName': vmx = '' } = found[0]?.values ?? {};
  const pool =
    config.pool === undefined
      ? (resourcePool as Ref | undefined)
      : await at('pool', `${datacenter}/host/${config.pool}`, 'ResourcePool');
  if (!pool) throw missing('pool', 'not set, and the template has none', 'ResourcePool', undefined);
  return {
    datacenter: await at('datacenter', datacenter, 'Datacenter'),
    datacenterPath: datacenter,
    folder: await at('folder', config.folder ? `${vms}/${config.folder}` : vms, 'Folder'),
    template,
    pool,
    logs: config.logs ?? `${/^\[[^\]]*\]/.exec(String(vmx))?.[0] ?? ''} portlayer`,
    apiVersion: about.apiVersion,
  };
}

async function onlyDatacenter(vcenter: VCenter, signal: AbortSignal): Promise<string> {
  const { rootFolder } = await vcenter.vim.content({ signal });
  const all = await readBelow(vcenter.vim, rootFolder, 'Datacenter', ['name'], { signal });
  if (all.length === 1) return String(all[0]?.values.name);
  throw missing('datacenter', 'not set', 'Datacenter', undefined, `there are ${all.length}`);
}

function missing(
  setting: string,
  path: string,
  type: string,
  found: Ref | undefined,
  why?: string,
): PortLayerError {
  return new PortLayerError(
    'INVALID_SPEC',
    `The setting ${setting} of the executor vsphere names nothing that is there.`,
    {
      required: `a ${type} at ${path}`,
      found: why ?? (found ? `a ${found.type}` : 'nothing'),
      remedy: `Correct ${setting} in the configuration of the executor vsphere.`,
      facts: { field: setting, level: 'executor', name: 'vsphere' },
    },
  );
}
