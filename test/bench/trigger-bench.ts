import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Client } from '../../portlayer/client/client.js';
import type { Bench } from './row.js';
import { startService } from './service-process.js';
import { digits, figuresOf, spread, summarize } from './statistics.js';
import { openWorkplace, type Workplace } from './workplace.js';

const TARGET_MS = 5;
const COUNT = 200;
const TURNS = 2;

/** A task under the real init and the real process executor asks by signal; the mechanism takes no time of its own. */
export const triggerBench: Bench = {
  name: 'trigger',
  async run() {
    await using place = openWorkplace();
    await place.compile('ask');
    const roundTrip = await place.compile('round-trip');
    const ours: number[] = [];
    const floor: number[] = [];
    {
      const program = fileURLToPath(new URL('instant-service.js', import.meta.url));
      await using service = await startService(place.path('state'), [program]);
      for (let turn = 0; turn < TURNS; turn++) {
        ours.push(...(await askFrom(place, service.client, `ask-${turn}`)));
        const { stdout } = await execa(roundTrip, [String(COUNT)]);
        floor.push(...stdout.split('\n').map(us => Number(us) / 1000));
      }
    }
    const [answer, trip] = [summarize(ours), summarize(floor)];
    return [
      {
        what: 'trigger by signal → answer in the task, instant mechanism',
        ours: spread(answer, 'ms'),
        floor: `unix-socket round trip: ${spread(trip, 'ms')}`,
        ratio: digits(answer.median / trip.median),
        target: `≤ ${TARGET_MS} ms`,
        reached: answer.median <= TARGET_MS,
        figures: { ...figuresOf('answerMs', answer), ...figuresOf('roundTripMs', trip) },
      },
    ];
  },
};

async function askFrom(place: Workplace, client: Client, name: string): Promise<number[]> {
  await client.createContainer({
    name,
    executor: 'instant',
    task: { argv: ['/tmp/bench/ask', String(COUNT)] },
    volumes: [{ source: place.path('bin'), target: '/tmp/bench', readOnly: true }],
    trigger: { perMinute: 1_000_000 },
  });
  await client.startContainer(name);
  const exit = await client.waitContainer(name);
  const lines: string[] = [];
  for await (const entry of client.streamLogs(name)) lines.push(entry.text);
  if (exit.reason !== 'completed')
    throw new Error(`the task that asks ended ${exit.reason}: ${lines.at(-1)}`);
  const refused = lines.filter(line => !(Number(line.split(' ')[1]) > 0));
  if (refused.length > 0) throw new Error(`${refused.length} triggers were refused: ${refused[0]}`);
  await client.removeContainer(name, { force: true });
  return lines.map(line => Number(line.split(' ')[0]) / 1000);
}
