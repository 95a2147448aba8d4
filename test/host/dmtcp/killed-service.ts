/** A service for a test to kill: opens on the state directory it is told, then checkpoints the container `one` and restores a copy, again and again. */
import { openDmtcpWorld } from './world.js';

const [, , stateDirectory = '', crid = '', name = ''] = process.argv;
const dmtcp = await openDmtcpWorld({}, stateDirectory);
console.log('ready');
for (let i = 0; ; i++) {
  await Promise.all([dmtcp.checkpoint('one'), dmtcp.world.restore(crid, `${name}-${i}`)]);
}
