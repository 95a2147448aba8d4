import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeRootfs } from '../container/subject.js';
import { openWorld, type World } from '../container/world.js';
import { type Sshd, startSshd } from './sshd.js';

/** A service with two remote hosts, `a` and `b`: two servers on this machine, with state directories of their own. */
export interface TwoHosts {
  readonly world: World;
  readonly a: Sshd;
  readonly b: Sshd;
  close(): Promise<void>;
}

/** Opens it. Settings are those of each host's entry in the configuration. */
export async function openTwoHosts(settings: Readonly<Record<string, unknown>> = {}): Promise<TwoHosts> {
  const [a, b] = [await startSshd(), await startSshd()];
  const directory = await mkdtemp('/var/tmp/pl-');
  await makeRootfs(directory);
  const entry = (sshd: Sshd) => ({
    kind: 'ssh',
    ...sshd.config,
    stateDirectory: `${sshd.directory}/state`,
    ...settings,
  });
  await writeFile(
    join(directory, 'config.yaml'),
    stringify({ environments: { a: entry(a), b: entry(b) } }, { aliasDuplicateObjects: false }),
  );
  const world = await openWorld({}, directory);
  return {
    world,
    a,
    b,
    async close() {
      await world.close();
      await a.remove();
      await b.remove();
    },
  };
}
