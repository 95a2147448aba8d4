import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VsphereConfig } from '../../../executors/vsphere/config.js';
import { vsphereEnvironment } from '../../../executors/vsphere/environment.js';
import { vsphereExecutor } from '../../../executors/vsphere/plugin.js';
import { initLoader } from '../../../loaders/init/plugin.js';
import type { Environment } from '../../../portlayer/plugin/environment.js';
import type { ExecutorSubject } from '../../conformance/conformance.js';
import { startVCenter, type TestVCenter, whyNoVCenter } from '../../vcenter/test-vcenter.js';

/** The files by which a service reaches a test vCenter. */
export interface Access {
  readonly stateDirectory: string;
  /** Settings of an environment of kind `vsphere`. */
  readonly settings: {
    readonly server: string;
    readonly ca: string;
    readonly credentials: { readonly file: string };
  };
  remove(): Promise<void>;
}

/** Credentials and CA of a test vCenter, in files. */
export async function accessTo(vcenter: TestVCenter): Promise<Access> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'plv-'));
  const [ca, file] = [join(stateDirectory, 'ca.pem'), join(stateDirectory, 'credentials')];
  await writeFile(ca, vcenter.ca);
  await writeFile(file, 'svc\ns3cret\n');
  await chmod(file, 0o600);
  return {
    stateDirectory,
    settings: { server: vcenter.server, ca, credentials: { file } },
    remove: () => rm(stateDirectory, { recursive: true, force: true }),
  };
}

/** An environment `lab` for that access. */
export function openLab(access: Access): Promise<Environment> {
  const { stateDirectory, settings } = access;
  return vsphereEnvironment.create(settings, {
    name: 'lab',
    stateDirectory,
    initBinary: '/none',
    log: () => {},
  });
}

/** The executor `vsphere` over a test vCenter whose guests are played by processes. */
export async function vsphereSubject(config: VsphereConfig = {}): Promise<ExecutorSubject> {
  const skip = whyNoVCenter(true);
  const loader = initLoader.create({});
  const spec = { environment: 'lab', executor: 'vsphere' };
  if (skip !== undefined) {
    const create = () => Promise.reject(new Error(skip));
    return { create, loader, spec, skip, cleanUp: async () => {} };
  }
  const vcenter = await startVCenter({ guests: true });
  const access = await accessTo(vcenter);
  return {
    async create() {
      const environment = await openLab(access);
      const log = (message: string) => console.log(`      ${message}`);
      const executor = await vsphereExecutor.create(
        { template: 'portlayer-template', ...config },
        { environment, log },
      );
      const dispose = executor[Symbol.asyncDispose].bind(executor);
      executor[Symbol.asyncDispose] = async () => {
        await dispose();
        await environment[Symbol.asyncDispose]();
      };
      return executor;
    },
    loader,
    spec,
    layersOfBlocks: true,
    async cleanUp() {
      await vcenter.stop();
      await access.remove();
    },
  };
}
