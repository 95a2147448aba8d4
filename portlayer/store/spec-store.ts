import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerSpec, compileContainerSpec } from '../model/container-spec.js';
import { isUlid } from '../model/ids.js';

/**
 * The specs of the containers there are, one file each: with the manifests, what a lost catalog is rebuilt from.
 * A spec changes seldom; states are not kept here, since the executors know what runs.
 */
export interface SpecStore {
  put(uid: string, spec: ContainerSpec): Promise<void>;
  remove(uid: string): Promise<void>;
  /** Files that cannot be read as a spec are left out and told to `log`. */
  list(): Promise<readonly { readonly uid: string; readonly spec: ContainerSpec }[]>;
}

/** Opens the store at `directory`, making it where it is missing. */
export async function openSpecStore(directory: string, log: (message: string) => void): Promise<SpecStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = (uid: string): string => join(directory, `${uid}.json`);
  return {
    async put(uid, spec) {
      await writeFile(`${path(uid)}.new`, `${JSON.stringify(spec, null, 2)}\n`, { mode: 0o600 });
      await rename(`${path(uid)}.new`, path(uid));
    },
    async remove(uid) {
      await rm(path(uid), { force: true });
    },
    async list() {
      const found: { uid: string; spec: ContainerSpec }[] = [];
      for (const file of await readdir(directory)) {
        const uid = file.replace(/\.json$/, '');
        if (!isUlid(uid)) continue;
        try {
          found.push({ uid, spec: compileContainerSpec(JSON.parse(await readFile(path(uid), 'utf8'))) });
        } catch (caught) {
          log(`spec ${file} cannot be used: ${caught instanceof Error ? caught.message : String(caught)}`);
        }
      }
      return found;
    },
  };
}
