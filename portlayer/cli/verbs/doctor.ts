import type { Command } from 'commander';
import type { LevelOffer } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { printLevels } from '../level-table.js';
import type { Leftover } from '../local-service.js';
import type { Shell } from '../shell.js';
import { printable } from '../table.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What a collection calls that a killed run left; the rest is of the image store. */
const LEFT = new Set(['process', 'mount', 'cgroup', 'state']);

/** What `doctor` takes. */
interface DoctorOptions {
  readonly stateDir?: string;
  readonly config?: string;
  readonly rebuild?: boolean;
  readonly on?: string;
  readonly sweep?: boolean;
}

/** `doctor`: what each level can do here, what is missing and the command that would add it. */
export function doctorVerb(context: VerbContext): Command {
  const command = newVerb('doctor', 'Show what each level can do here, what is missing, and how to add it.')
    .option('--state-dir <directory>', 'of the service that does not run')
    .option('--config <file>', 'of the service that does not run')
    .option('--on <environment>', 'only this one; the exit code is 1 where it cannot be used')
    .option('--sweep', 'remove what killed runs left behind: processes, mounts, cgroups')
    .option('--rebuild', 'make the catalog of a stopped service again from its checkpoints');
  return doing(context, command, (options: DoctorOptions) => async shell => {
    if (options.rebuild) return rebuild(shell, options.stateDir);
    if (options.sweep) return sweep(shell, options);
    const levels = within(await look(shell, options), options.on);
    if (shell.json) await shell.printJson(levels);
    else {
      await printLevels(shell, levels, { remedies: true });
      await tellLeftovers(shell, options);
    }
    const place = levels.find(({ level }) => level === 'environment');
    return options.on !== undefined && place?.fingerprint?.health === 'unusable' ? 1 : 0;
  });
}

/** The levels of one environment. Throws NOT_FOUND naming those there are. */
function within(levels: readonly LevelOffer[], on: string | undefined): readonly LevelOffer[] {
  if (on === undefined) return levels;
  const names = levels.filter(({ level }) => level === 'environment').map(({ name }) => name);
  if (!names.includes(on)) {
    throw new PortLayerError('NOT_FOUND', `There is no environment ${on}.`, {
      required: `one of ${names.join(', ')}`,
      found: on,
      remedy: 'Correct the name, or add it under environments in the configuration.',
    });
  }
  return levels.filter(({ level, name, environment }) =>
    level === 'environment' ? name === on : environment === on,
  );
}

async function look(shell: Shell, { stateDir, config }: DoctorOptions): Promise<readonly LevelOffer[]> {
  try {
    return await shell.client.listLevels({ refresh: true });
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'EXECUTOR_UNAVAILABLE') throw caught;
    shell.complain(`No service runs at ${shell.client.address}; looking from here.`);
    return (await shell.local()).doctor({ ...(stateDir && { stateDir }), ...(config && { config }) });
  }
}

/** Nothing where there is nothing, or where the caller may not know: collecting is an administrator's call. */
async function tellLeftovers(shell: Shell, options: DoctorOptions): Promise<void> {
  const left = await leftBehind(shell, options, false).catch((caught: unknown) => {
    if (PortLayerError.from(caught).code === 'TRIGGER_DENIED') return [];
    throw caught;
  });
  if (left.length === 0) return;
  await shell.print('Left behind by runs that were killed:');
  for (const { kind, id } of left) await shell.print(printable(`  ${kind}: ${id}`));
  await shell.print('  remove it: portlayer doctor --sweep');
}

async function sweep(shell: Shell, options: DoctorOptions): Promise<number> {
  const swept = await leftBehind(shell, options, true);
  if (shell.json) await shell.printJson(swept);
  else for (const { kind, id } of swept) await shell.print(printable(`removed ${kind}: ${id}`));
  if (!shell.json && swept.length === 0) await shell.print('Nothing was left behind.');
  return 0;
}

/** By the service where one runs: it knows what is being started now. */
async function leftBehind(
  shell: Shell,
  { stateDir, config }: DoctorOptions,
  remove: boolean,
): Promise<readonly Leftover[]> {
  const left: Leftover[] = [];
  try {
    for await (const { kind, id } of shell.client.collectGarbage({ dryRun: !remove }))
      if (LEFT.has(kind)) left.push({ kind, id });
    return left;
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'EXECUTOR_UNAVAILABLE') throw caught;
    const options = { ...(stateDir && { stateDir }), ...(config && { config }) };
    return (await shell.local()).leftBehind(options, remove);
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

async function rebuild(shell: Shell, stateDir: string | undefined): Promise<number> {
  const summary = await (await shell.local()).rebuild(stateDir);
  if (shell.json) await shell.printJson(summary);
  else {
    await shell.print(
      `Found ${counted(summary.checkpoints, 'checkpoint')} and ${counted(summary.containers, 'container')}.`,
    );
    for (const problem of summary.problems) shell.complain(problem);
  }
  return summary.problems.length > 0 ? 1 : 0;
}
