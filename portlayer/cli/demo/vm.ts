import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { socketPath } from '../../client/address.js';
import { type Checkpoint, type Client, createClient, PortLayerError } from '../../client/client.js';
import { tableLines } from '../table.js';
import { startService } from './service-process.js';

/** Copies that are forked from the one checkpoint. */
const COPIES = 8;
const PATIENCE_MS = 60_000;

/** The task of the machine: fills some memory, asks to be forked, and says who it is after that. */
const task = `
head -c 30000000 /dev/urandom >/dev/shm/memory
answer=$(checkpoint --mechanism vmfork); code=$?
echo "I am $(hostname) $(cat /etc/machine-id) $(cat /sys/class/net/eth0/address) $(head -c 4 /dev/urandom | od -An -tx1 | tr -d ' ') $(md5sum </dev/shm/memory | cut -c1-12) $code"
while :; do sleep 1; done`;

/** What one machine said of itself. */
interface Said {
  readonly name: string;
  readonly words: readonly string[];
}

/**
 * A virtual machine, shown: boots one, whose task asks to be forked, and eight copies of it that share its memory. Uses
 * a state directory of its own and removes it.
 *
 * @returns the exit code: 0 where all copies answered with the same memory and identities of their own
 */
export async function runVmDemo(print: (line: string) => void): Promise<number> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'plvm-'));
  const service = startService(stateDirectory);
  const client = createClient({ address: `unix:${socketPath(stateDirectory)}`, waitForReadyMs: 20_000 });
  try {
    print('(a) A machine boots: a kernel of its own, the init as its PID 1, a task.');
    const bootMs = await boot(client, 'machine');
    print(`    ${Math.round(bootMs)} ms from the call to the init's first word.`);
    print('(b) Its task asks to be forked; its memory is captured while it runs on.');
    const parent = await saidBy(client, 'machine');
    const checkpoint = await only(client);
    print(`    Checkpoint ${checkpoint.crid}: the machine stood still for ${still(checkpoint)}.`);
    print(`(c) ${COPIES} copies of that moment:`);
    const began = performance.now();
    for await (const outcome of client.fork(
      { checkpoint: checkpoint.crid },
      { count: COPIES, namePrefix: 'copy' },
    )) {
      if ('failure' in outcome)
        throw new PortLayerError('INTERNAL', `A copy failed: ${outcome.failure.message}`);
    }
    const forkMs = performance.now() - began;
    const copies = await Promise.all(
      Array.from({ length: COPIES }, (_, i) => saidBy(client, `copy-${i + 1}`)),
    );
    const rows = [parent, ...copies].map(
      ({ name, words: [host = '', id = '', mac = '', random = '', sum = '', code = ''] }) => [
        name,
        host,
        id.slice(0, 12),
        mac,
        random,
        sum,
        code === '0' ? 'its id' : '0: a copy',
      ],
    );
    const head = ['MACHINE', 'HOSTNAME', 'MACHINE-ID', 'MAC', 'RANDOM', 'MEMORY', 'FORK SAID'];
    for (const line of await tableLines(head, rows)) print(`    ${line}`);
    print('');
    print(
      `    ${(forkMs / COPIES).toFixed(0)} ms for each copy, identity included; a boot took ${Math.round(bootMs)} ms.`,
    );
    const same =
      new Set(copies.map(copy => copy.words[4])).size === 1 && copies[0]?.words[4] === parent.words[4];
    const apart = [0, 1, 2, 3].every(
      i => new Set([parent, ...copies].map(each => each.words[i])).size === COPIES + 1,
    );
    print(
      same && apart
        ? 'All memories are equal, and no two machines share an identity.'
        : 'THE COPIES ARE NOT AS THEY SHOULD BE: this is a defect of portlayer.',
    );
    return same && apart ? 0 : 1;
  } catch (caught) {
    print(PortLayerError.from(caught).describe());
    print(`The service's log:\n${readFileSync(join(stateDirectory, 'service.log'), 'utf8')}`);
    return 1;
  } finally {
    await tidyUp(client).catch(caught => print(`Not tidied up: ${PortLayerError.from(caught).message}`));
    client.close();
    await service.end();
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

/** Boots twice, since the first has to make the initramfs and the disk image, and to try the accelerator. */
async function boot(client: Client, name: string): Promise<number> {
  await client.createContainer({
    name: 'first',
    executor: 'qemu',
    loader: 'kernel',
    task: { argv: ['true'] },
  });
  await client.startContainer('first');
  await client.removeContainer('first', { force: true });
  await client.createContainer({
    name,
    executor: 'qemu',
    loader: 'kernel',
    task: { argv: ['sh', '-c', task] },
  });
  const began = performance.now();
  await client.startContainer(name);
  return performance.now() - began;
}

/** Waits until a machine has said who it is. */
async function saidBy(client: Client, name: string): Promise<Said> {
  const began = performance.now();
  while (performance.now() - began < PATIENCE_MS) {
    for await (const entry of client.streamLogs(name)) {
      if (entry.text.startsWith('I am ')) return { name, words: entry.text.slice(5).split(' ') };
    }
    await sleep(50);
  }
  throw new PortLayerError('INTERNAL', `${name} did not say who it is.`);
}

async function only(client: Client): Promise<Checkpoint> {
  const { items } = await client.listCheckpoints({ container: 'machine', pageSize: 10 });
  if (items[0]) return items[0];
  throw new PortLayerError('INTERNAL', 'The task asked for a checkpoint, and there is none.');
}

/** The time from the freeze to the thaw as the port layer saw it, commands included. */
function still(checkpoint: Checkpoint): string {
  const ms = checkpoint.phases.frozenMs;
  return ms === undefined ? 'a moment' : `at most ${ms.toFixed(1)} ms`;
}

async function tidyUp(client: Client): Promise<void> {
  for (const { spec } of (await client.listContainers({ pageSize: 1000 })).items) {
    await client.removeContainer(spec.name, { force: true });
  }
}
