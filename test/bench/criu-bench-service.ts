/** A service with as many running containers as it is told, which says what memory it takes and ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openWorld } from '../host/container/world.js';

const count = Number(process.argv[2]);
const world = await openWorld();
try {
  for (let i = 0; i < count; i++) await world.run(`c${i}`, ['sleep', '1000']);
  await sleep(1000);
  globalThis.gc?.();
  console.log(`rss ${process.memoryUsage.rss()}`);
} finally {
  await world.close();
}
