import type { Host } from '../../portlayer/plugin/host.js';
import { qmpLines } from './qmp/qmp-message.js';
import { featureNames } from './vmfork/features.js';

/** What one QEMU can show its guests under one accelerator. */
export interface Offered {
  /** Names of CPU models. */
  readonly models: readonly string[];
  /** Names of CPU features, whatever the model. */
  readonly features: readonly string[];
  /** Names of devices: those that machines of ours are made of. */
  readonly devices: readonly string[];
}

const nothing: Offered = { models: [], features: [], devices: [] };
const OURS = /^(virtserialport|virtio-(serial|blk|net|9p)-(pci|device))$/;
const QUESTIONS = [
  { execute: 'qmp_capabilities' },
  { execute: 'query-cpu-definitions', id: 1 },
  { execute: 'query-cpu-model-expansion', id: 2, arguments: { type: 'full', model: { name: 'max' } } },
  { execute: 'qom-list-types', id: 3, arguments: { implements: 'device', abstract: false } },
  { execute: 'quit' },
];

/** Asks a QEMU without a machine. Remembered below `directory` for each version and accelerator; nothing where it does not answer. */
export async function probeQemu(
  host: Host,
  directory: string,
  program: string,
  version: string,
  accelerator: string,
): Promise<Offered> {
  const memory = `${directory}/offered-${accelerator}.json`;
  const known = await host.files.read(memory).then(
    text => JSON.parse(String(text)) as { version?: string; offered?: Offered },
    () => undefined,
  );
  if (known?.version === version && known.offered) return known.offered;
  const argv = [program, '-M', 'none', '-accel', accelerator, '-nodefaults', '-display', 'none'];
  const input = QUESTIONS.map(question => `${JSON.stringify(question)}\n`).join('');
  const done = await host.run([...argv, '-qmp', 'stdio'], { input, signal: AbortSignal.timeout(20_000) });
  if (done.code !== 0) return nothing;
  const replies = new Map<number, unknown>();
  for (const message of qmpLines()(Buffer.from(done.stdout)))
    if ('return' in message && message.id !== undefined) replies.set(message.id, message.return);
  const names = (reply: unknown) =>
    (reply as readonly { name: string }[] | undefined)?.map(({ name }) => name) ?? [];
  const max = replies.get(2) as { model: { props: Readonly<Record<string, unknown>> } } | undefined;
  const offered = {
    models: names(replies.get(1)).sort(),
    features: featureNames(max?.model.props ?? {}),
    devices: names(replies.get(3))
      .filter(name => OURS.test(name))
      .sort(),
  };
  await host.files.writeAtomic(memory, JSON.stringify({ version, offered }), 0o600);
  return offered;
}
