import { type Command, Option } from 'commander';
import type { Checkpoint, CheckpointNeed, CheckpointOptions, Preserved } from '../../../client/client.js';
import { PortLayerError } from '../../../errors/port-layer-error.js';
import { printPlan } from '../../plan-table.js';
import { barOf } from '../../progress-bar.js';
import type { Shell } from '../../shell.js';
import { collectLabel, parseDuration } from '../../values.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** What `checkpoint create` takes. */
interface Options {
  readonly mechanism?: string;
  readonly label?: Record<string, string>;
  readonly captured?: boolean;
  readonly stop?: boolean;
  readonly committed?: boolean;
  readonly keep?: Preserved;
  readonly restore?: 'here' | 'elsewhere';
  readonly maxPause?: number;
  readonly fallback?: boolean;
  readonly dryRun?: boolean;
}

/** `checkpoint create`: a checkpoint of a running container; Ctrl-C cancels it. */
export function createVerb(context: VerbContext): Command {
  const command = newVerb('create', 'Take a checkpoint of a container and print its id. Ctrl-C cancels it.')
    .argument('<container>')
    .option(
      '--mechanism <name>',
      'vmfork, criu, dmtcp or exit-code; default: the least constrained level that can',
    )
    .option('-l, --label <key=value>', 'can be repeated', collectLabel)
    .option('--captured', 'end as soon as it can be used here; it is made durable afterwards')
    .option('--committed', 'only a mechanism whose checkpoints can be made durable')
    .option('--stop', 'end the container with it')
    .addOption(
      new Option('--keep <what>', 'it must keep at least this').choices(['disk', 'process', 'machine']),
    )
    .addOption(new Option('--restore <where>', 'it must be restorable there').choices(['here', 'elsewhere']))
    .option('--max-pause <duration>', 'the task may stand still for so long, for example 50ms', parseDuration)
    .option('--fallback', 'where the chosen mechanism cannot, take the next, also one that keeps less')
    .option('--dry-run', 'show what would be used and why not the others; take none');
  return doing(context, command, (container: string, options: Options) => async shell => {
    const { captured, committed, stop, label } = options;
    if (captured && committed)
      command.error('error: --captured and --committed exclude each other', { exitCode: 2 });
    const wanted: CheckpointOptions = {
      ...(options.mechanism !== undefined && { mechanism: options.mechanism }),
      ...(captured && { durability: 'captured' }),
      ...(committed && { durability: 'committed' }),
      ...(label && { labels: label }),
      ...(stop && { stopAfter: true }),
      need: needOf(options),
    };
    if (options.dryRun) return dryRun(shell, container, wanted);
    const checkpoint = await create(shell, container, wanted);
    await (shell.json ? shell.printJson(checkpoint) : shell.print(checkpoint.crid));
    return 0;
  });
}

function needOf({ keep, restore, maxPause, fallback }: Options): CheckpointNeed {
  return {
    ...(keep && { keep }),
    ...(restore && { restore }),
    ...(maxPause !== undefined && { maxPauseMs: maxPause }),
    ...(fallback && { fallback }),
  };
}

/** 1 where no mechanism meets the needs. */
async function dryRun(shell: Shell, container: string, wanted: CheckpointOptions): Promise<number> {
  const mechanisms = await shell.client.planCheckpoint(container, wanted);
  const chosen = mechanisms.find(each => each.chosen);
  if (shell.json) await shell.printJson(mechanisms);
  else if (!shell.quiet) await printPlan(shell, mechanisms);
  else if (chosen) await shell.print(chosen.mechanism);
  return chosen ? 0 : 1;
}

async function create(shell: Shell, container: string, wanted: CheckpointOptions): Promise<Checkpoint> {
  const cancelling = new AbortController();
  const stopListening = shell.onInterrupt(() => cancelling.abort());
  const live = shell.stderr.isTTY && !shell.quiet && !shell.json;
  const entered: string[] = [];
  try {
    for await (const step of shell.client.createCheckpoint(container, wanted, {
      signal: cancelling.signal,
    })) {
      if (step.kind === 'checkpoint') return step.checkpoint;
      const { state, written } = step;
      if (!written) entered.push(state);
      const bar = written ? ` ${barOf(written.doneBytes, written.totalBytes)}` : '';
      // Back to the line's start, and clear the line.
      if (live) shell.stderr.write(`\r\x1b[K${entered.join(' → ')}${bar}`);
    }
  } finally {
    stopListening();
    if (live && entered.length > 0) shell.stderr.write('\n');
  }
  throw new PortLayerError('INTERNAL', 'The service ended the call without a checkpoint.', {
    remedy: 'See what became of it: portlayer checkpoint ls --all',
  });
}
