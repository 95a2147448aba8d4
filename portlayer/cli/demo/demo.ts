import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { socketPath } from '../../client/address.js';
import {
  type Client,
  type Container,
  createClient,
  type ExitCode,
  PortLayerError,
} from '../../client/client.js';
import { tableLines } from '../table.js';
import { ASCII, BOX, treeLines } from '../tree.js';
import { startService } from './service-process.js';

/** What one run of the job came to. */
interface Run {
  readonly name: string;
  readonly what: string;
  readonly iterations: number;
  readonly seconds: number;
  readonly digest: string;
}

/** Copies that are forked from the middle checkpoint. */
const COPIES = 2;
/** The loop has at least so many iterations. */
const STEPS = 8;
/** The service is killed after so many of them. */
const KILL_AFTER = 3;

/**
 * The main job, shown: a reference run, the same job as a loop whose service is killed half-way, its lineage, and
 * two forks from the middle. All digests must be equal. Uses a state directory of its own and removes it.
 *
 * @returns the exit code: 0 where all digests are equal
 */
export async function runDemo(print: (line: string) => void): Promise<number> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'portlayer-demo-'));
  let service = startService(stateDirectory);
  const client = createClient({ address: `unix:${socketPath(stateDirectory)}`, waitForReadyMs: 20_000 });
  const input = nodeModules();
  const runs: Run[] = [];
  try {
    print(`The job: index and digest every file below ${input}`);
    print('');
    print('(a) The reference: one uninterrupted run.');
    const reference = await timed(client, 'reference', 'uninterrupted', () =>
      start(client, 'reference', input),
    );
    runs.push(reference);

    print(
      '(b) The same as a loop: it records its state and exits 85 every second or so; each exit is a checkpoint.',
    );
    const looped = await timed(client, 'job', 'loop, service killed', async () => {
      await start(client, 'job', input, STEPS);
      await iterations(client, 'job', KILL_AFTER);
      await service.kill();
      print(
        `    SIGKILL to the service (pid ${service.pid}) after iteration ${KILL_AFTER}; the task runs on.`,
      );
      service = startService(stateDirectory);
      await client.listContainers();
      print(`    A new service (pid ${service.pid}) has taken it up.`);
    });
    runs.push(looped);

    print('(c) Its checkpoints, and two forks from the middle one:');
    const { items } = await client.listCheckpoints({ container: 'job', pageSize: 1000 });
    const middle = items[Math.floor(items.length / 2)];
    if (!middle) throw new PortLayerError('INTERNAL', 'The loop left no checkpoint.');
    const names: string[] = [];
    const forkedAt = performance.now();
    for await (const outcome of client.fork(
      { checkpoint: middle.crid },
      { count: COPIES, namePrefix: 'fork' },
    )) {
      if (!('container' in outcome))
        throw new PortLayerError('INTERNAL', `A fork failed: ${outcome.failure.message}`);
      names.push(outcome.container.spec.name);
    }
    for (const name of names.sort()) {
      runs.push(await finished(client, name, `fork of iteration ${middle.iteration}`, forkedAt));
    }
    for (const line of await tree(client)) print(`    ${line}`);
    print('');
    print('(d) What came of it:');
    const rows = runs.map(r => [
      r.name,
      r.what,
      String(r.iterations),
      r.seconds.toFixed(1),
      r.digest.slice(0, 24),
    ]);
    for (const line of await tableLines(['RUN', 'HOW', 'CHECKPOINTS', 'SECONDS', 'DIGEST'], rows))
      print(`    ${line}`);
    const equal = runs.every(run => run.digest === reference.digest);
    print('');
    print(
      equal ? `All ${runs.length} digests are equal.` : 'THE DIGESTS DIFFER: this is a defect of portlayer.',
    );
    return equal ? 0 : 1;
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

/** A container has a /tmp of its own: what lies below the host's is brought in as a volume. */
async function start(client: Client, name: string, input: string, steps?: number): Promise<void> {
  const job = fileURLToPath(new URL('./job.js', import.meta.url));
  const exitCode: ExitCode = {};
  await client.createContainer({
    name,
    volumes: [...new Set([input, dirname(job)])]
      .filter(path => path.startsWith('/tmp/'))
      .map(path => ({ source: path, target: path, readOnly: true })),
    task: {
      argv: [process.execPath, job, input],
      ...(steps === undefined ? {} : { env: { DEMO_STEPS: String(steps) }, exitCode }),
    },
  });
  await client.startContainer(name);
}

async function timed(client: Client, name: string, what: string, begin: () => Promise<void>): Promise<Run> {
  const startedAt = performance.now();
  await begin();
  return finished(client, name, what, startedAt);
}

/** Waits for a run's end and reads its result from its log. */
async function finished(client: Client, name: string, what: string, startedAt: number): Promise<Run> {
  const exit = await client.waitContainer(name);
  const seconds = (performance.now() - startedAt) / 1000;
  let last = '';
  for await (const entry of client.streamLogs(name, { tail: 1 })) last = entry.text;
  const digest = /^digest ([0-9a-f]{64}) /.exec(last)?.[1];
  if (exit.code !== 0 || digest === undefined) {
    throw new PortLayerError(
      'INTERNAL',
      `${name} ended with ${exit.code} (${exit.reason} ${exit.message}): ${last}`,
    );
  }
  const { iteration } = await client.getContainer(name);
  return { name, what, iterations: iteration, seconds, digest };
}

/** Resolves when the container has exited to checkpoint so many times. */
async function iterations(client: Client, name: string, count: number): Promise<void> {
  for await (const event of client.streamEvents({ since: 1 })) {
    if (event.id === name && event.type === 'iterated' && Number(event.facts.iteration) >= count) return;
    if (event.id === name && event.type === 'exited') return;
  }
}

async function tree(client: Client): Promise<string[]> {
  const [nodes, containers] = [await client.getCheckpointTree(), await client.listContainers()];
  const states = new Map(containers.items.map((c: Container) => [c.spec.name, c.state]));
  const utf8 = /utf-?8/i.test(process.env.LC_ALL ?? process.env.LC_CTYPE ?? process.env.LANG ?? '');
  return treeLines(nodes, states, utf8 ? BOX : ASCII, Date.now());
}

async function tidyUp(client: Client): Promise<void> {
  for (const { spec } of (await client.listContainers({ pageSize: 1000 })).items) {
    await client.removeContainer(spec.name, { force: true });
  }
}

/** The node_modules that this package's own dependencies are in: real input of some size that is there for sure. */
function nodeModules(): string {
  let directory = createRequire(import.meta.url).resolve('commander');
  while (dirname(directory) !== directory && !directory.endsWith('/node_modules'))
    directory = dirname(directory);
  return directory;
}
