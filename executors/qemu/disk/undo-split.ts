import { setTimeout as sleep } from 'node:timers/promises';
import type { MachinePaths } from '../layout.js';
import type { Place } from '../place.js';
import type { Qmp } from '../qmp/qmp-client.js';
import { diskFile, diskNode } from './machine-disk.js';

/** Between two looks at a job that folds an overlay back, which takes as long as what was written since. */
const LOOK_MS = 10;

/**
 * The disk of a running machine as it was before a split that came to nothing, however far it had come: what was written
 * since goes back into the disk that was to be frozen, which is written to again. Looks at what QEMU has, since whoever
 * began the split may have been killed. `number` is that of the disk before.
 */
export async function undoSplit(place: Place, paths: MachinePaths, number: number, qmp: Qmp): Promise<void> {
  const [before, after] = [diskNode(number), diskNode(number + 1)];
  const job = `undo-${after}`;
  const writing = async () =>
    (await qmp.execute('query-block')).some(({ inserted }) => inserted?.['node-name'] === after);
  const running = async () => (await qmp.execute('query-block-jobs')).find(({ device }) => device === job);
  if ((await writing()) && !(await running())) {
    // Without a base it would go into the lowest of all, which other machines stand on.
    await qmp.execute('block-commit', { device: after, 'base-node': before, 'job-id': job });
  }
  for (let found = await running(); found; found = await running()) {
    if (found.ready) await qmp.execute('job-complete', { id: job });
    await sleep(LOOK_MS);
  }
  const nodes = await qmp.execute('query-named-block-nodes', { flat: true });
  if (nodes.some(node => node['node-name'] === after))
    await qmp.execute('blockdev-del', { 'node-name': after });
  await place.host.files.remove(diskFile(paths, number + 1));
}
