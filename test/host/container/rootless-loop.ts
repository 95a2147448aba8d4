/** What the test of the rootless executor runs as an unprivileged user: a whole service, and a loop by exit code in it. */
import assert from 'node:assert/strict';
import { openWorld } from './world.js';

const world = await openWorld();
try {
  const script =
    'n=$(cat /state/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >/state/n; echo "run $n as $(id -u)"; [ $n -lt 3 ] && exit 85; exit 0';
  await world.run('loop', ['sh', '-c', script], { task: { exitCode: {} } });
  const exit = await world.dispatch.waitContainer('loop', AbortSignal.timeout(60_000));
  assert.equal(exit.code, 0);
  assert.deepEqual(await world.output('loop'), ['run 1 as 0', 'run 2 as 0', 'run 3 as 0']);
  const { items } = await world.dispatch.listCheckpoints({}, { size: 10 });
  assert.equal(items.length, 2);
  assert.ok(items.every(({ mechanism }) => mechanism === 'exit-code'));
  await world.restore(items.at(-1)?.crid ?? '', 'again');
  await world.dispatch.waitContainer('again', AbortSignal.timeout(60_000));
  assert.deepEqual(await world.output('again'), ['run 2 as 0', 'run 3 as 0']);

  await world.run('up', ['sh', '-c', 'echo ready; exec sleep 1000']);
  await world.said('up', /ready/);
  const said = await world.exec('up', 'id -u; cat /proc/net/dev; ls /sys/class');
  for (const pattern of [/^0\n/, / lo:/, /^net$/m]) assert.match(said, pattern);
  await world.restart();
  assert.equal((await world.dispatch.getContainer('up')).state, 'running');
  await assert.rejects(world.checkpoint('up'), /CRIU|criu/);
  await world.dispatch.stopContainer('', 'up', 0);
  const executor = (await world.dispatch.levels(false)).find(({ name }) => name === 'container');
  const found = (key: string) => executor?.fingerprint?.findings.find(finding => finding.key === key);
  assert.equal(found('rootless')?.value, 'yes');
  assert.match(found('criu')?.reason ?? '', /as user 65534/);
} finally {
  await world.close();
}
console.log('rootless: all as it should be');
