/** A service for a test to kill: opens on the state directory it is told, then checkpoints the container `one` and restores a copy, again and again. */
import { openWorld } from './world.js';

const [, , stateDirectory = '', crid = '', name = ''] = process.argv;
const world = await openWorld({ restoreMs: 2_000 }, stateDirectory);
console.log('ready');
for (let i = 0; ; i++) {
  await Promise.all([world.checkpoint('one'), world.restore(crid, `${name}-${i}`)]);
}
