import type { Command } from 'commander';
import type { ContainerChange } from '../../client/client.js';
import { collect, collectLabel, parseCount, parseCpus, parseSize } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `update` takes. */
interface UpdateOptions {
  readonly label?: Record<string, string>;
  readonly labelRm?: readonly string[];
  readonly cpus?: number;
  readonly memory?: number;
  readonly pidsLimit?: number;
  readonly trigger?: boolean;
  readonly triggerRate?: number;
  readonly triggerMechanism?: readonly string[];
  readonly triggerMax?: number;
  readonly triggerMaxSize?: number;
  readonly memo?: boolean;
}

/** `update`: changes labels, limits and the trigger policy of one container. */
export function updateVerb(context: VerbContext): Command {
  const command = newVerb('update', 'Change labels, limits or the trigger policy of a container.')
    .argument('<name>')
    .option('-l, --label <key=value>', 'set a label; can be repeated', collectLabel)
    .option('--label-rm <key>', 'take a label away; can be repeated', collect)
    .option('--cpus <n>', 'for example 0.5', parseCpus)
    .option('-m, --memory <size>', 'for example 512m', parseSize)
    .option('--pids-limit <n>', 'processes and threads', parseCount)
    .option('--trigger', 'the task may ask for checkpoints itself')
    .option('--no-trigger', 'it may not')
    .option('--trigger-rate <n>', 'so many times a minute', parseCount)
    .option('--trigger-mechanism <name>', 'only by this mechanism; can be repeated', collect)
    .option('--trigger-max <n>', 'while so many checkpoints of it are kept; 0: any number', parseCount)
    .option('--trigger-max-size <size>', 'while they are this large together; 0: any size', parseSize)
    .option('--memo', 'its start may be remembered')
    .option('--no-memo', 'it may not');
  return doing(context, command, (name: string, options: UpdateOptions) => async shell => {
    const { spec, generation } = await shell.client.getContainer(name);
    const updated = await shell.client.updateContainer(name, generation, {
      ...labelChange(options, spec.labels ?? {}),
      ...resourceChange(options, spec.resources ?? {}),
      ...triggerChange(options, spec.trigger ?? {}),
      ...(options.memo !== undefined && { memo: options.memo }),
    });
    await (shell.json ? shell.printJson(updated) : shell.print(name));
    return 0;
  });
}

function triggerChange(
  { trigger, triggerRate, triggerMechanism, triggerMax, triggerMaxSize }: UpdateOptions,
  now: NonNullable<ContainerChange['trigger']>,
): ContainerChange {
  const change = {
    ...(trigger !== undefined && { allow: trigger }),
    ...(triggerRate !== undefined && { perMinute: triggerRate }),
    ...(triggerMechanism && { mechanisms: triggerMechanism }),
    ...(triggerMax !== undefined && { maxCheckpoints: triggerMax }),
    ...(triggerMaxSize !== undefined && { maxBytes: triggerMaxSize }),
  };
  return Object.keys(change).length > 0 ? { trigger: { ...now, ...change } } : {};
}

function labelChange(
  { label, labelRm = [] }: UpdateOptions,
  now: Readonly<Record<string, string>>,
): ContainerChange {
  if (!label && labelRm.length === 0) return {};
  const kept = Object.entries({ ...now, ...label }).filter(([key]) => !labelRm.includes(key));
  return { labels: Object.fromEntries(kept) };
}

function resourceChange(
  options: UpdateOptions,
  now: NonNullable<ContainerChange['resources']>,
): ContainerChange {
  const { cpus, memory, pidsLimit } = options;
  if (cpus === undefined && memory === undefined && pidsLimit === undefined) return {};
  return {
    resources: {
      ...now,
      ...(cpus !== undefined && { cpus }),
      ...(memory !== undefined && { memoryBytes: memory }),
      ...(pidsLimit !== undefined && { pids: pidsLimit }),
    },
  };
}
