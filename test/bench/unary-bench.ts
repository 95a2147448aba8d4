import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { credentials, Client as GrpcClient, type MethodDefinition } from '@grpc/grpc-js';
import { COMPARED, echoService, executionService } from './echo.js';
import type { Bench, Row } from './row.js';
import { seedCheckpoints } from './seed.js';
import { startService } from './service-process.js';
import { digits, figuresOf, type Summary, summarize } from './statistics.js';
import { openWorkplace } from './workplace.js';

const TARGET = 0.6;
const IN_FLIGHT = 32;
const TURNS = 5;
const TURN_MS = 1000;
const WARM_UP_MS = 1000;
const PAGE = 10;

/**
 * Unary calls of ours, by our client, beside a bare grpc-js client and server in a process of its own: one that echoes
 * as many bytes, and one that answers with the very same message, which says what the message itself costs.
 */
export const unaryBench: Bench = {
  name: 'unary',
  async run() {
    await using place = openWorkplace();
    await seedCheckpoints(place.path('state'), 1000);
    await using service = await startService(place.path('state'));
    const { client } = service;
    await client.createContainer({ name: 'job', task: { argv: ['true'], exitCode: {} } });
    const requests = { GetContainer: { name: 'job' }, ListCheckpoints: { pageSize: PAGE } };
    const ours = {
      GetContainer: () => client.getContainer('job'),
      ListCheckpoints: () => client.listCheckpoints({ pageSize: PAGE }),
    };
    const sizes = { GetContainer: 0, ListCheckpoints: 0 };
    for (const method of COMPARED) {
      const answer = await rawAnswer(client.address, method, requests[method]);
      sizes[method] = answer.length;
      await writeFile(place.path(`${method}.bin`), answer);
    }
    await using bare = await startBare(place.directory);
    const rows: Row[] = [];
    for (const method of COMPARED) {
      const data = Buffer.alloc(sizes[method], 'x');
      const echo = () => bare.call(say, { data });
      const same = () => bare.call(execution[method]!, requests[method]);
      const what = method === 'ListCheckpoints' ? `${method}, page of ${PAGE}` : method;
      rows.push(rowOf(what, sizes[method], await interleaved([ours[method], echo, same])));
    }
    return rows;
  },
};

const execution = executionService();
const say = echoService().Say!;

/** Calls per second of each, in turns. */
async function interleaved(calls: readonly (() => Promise<unknown>)[]): Promise<readonly Summary[]> {
  for (const call of calls) await rate(call, WARM_UP_MS);
  const measured: number[][] = calls.map(() => []);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [i, call] of calls.entries()) measured[i]!.push(await rate(call, TURN_MS));
  }
  return measured.map(summarize);
}

/** Calls per second with so many in flight all the time. */
async function rate(call: () => Promise<unknown>, forMs: number): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() - startedAt < forMs) {
      await call();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return (done * 1000) / (performance.now() - startedAt);
}

/** One answer of the service as it is on the wire. */
async function rawAnswer(address: string, method: string, request: object): Promise<Buffer> {
  const client = new GrpcClient(address, credentials.createInsecure());
  try {
    const asIs = { ...execution[method]!, responseDeserialize: (bytes: Buffer) => bytes };
    return (await callOf(client, asIs, request)) as Buffer;
  } finally {
    client.close();
  }
}

function callOf(
  client: GrpcClient,
  method: MethodDefinition<object, object>,
  request: object,
): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

async function startBare(directory: string) {
  const program = fileURLToPath(new URL('echo-server.js', import.meta.url));
  const child = spawn(process.execPath, [program, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const client = new GrpcClient(`unix:${directory}/echo.sock`, credentials.createInsecure());
  return {
    call: (method: MethodDefinition<object, object>, request: object) => callOf(client, method, request),
    async [Symbol.asyncDispose]() {
      client.close();
      const exit = once(child, 'exit');
      child.stdin.end();
      await exit;
    },
  };
}

function rowOf(what: string, bytes: number, summaries: readonly Summary[]): Row {
  const [ours, echo, same] = summaries as [Summary, Summary, Summary];
  const share = ours.median / echo.median;
  const shareOfSame = ours.median / same.median;
  return {
    what: `${what} (${digits(bytes)} bytes), ${IN_FLIGHT} in flight`,
    ours: perSecond(ours),
    floor: `bare grpc-js echo: ${perSecond(echo)}; with the same message: ${perSecond(same)}`,
    ratio: `${percent(share)} (same message: ${percent(shareOfSame)})`,
    target: `≥ ${percent(TARGET)}`,
    reached: share >= TARGET,
    figures: {
      ...figuresOf('callsPerSecond', ours),
      ...figuresOf('echoCallsPerSecond', echo),
      ...figuresOf('sameMessageCallsPerSecond', same),
      bytes,
      share,
      shareOfSame,
    },
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function perSecond({ median, min, max }: Summary): string {
  return `${digits(median)}/s (${digits(min)}–${digits(max)})`;
}
