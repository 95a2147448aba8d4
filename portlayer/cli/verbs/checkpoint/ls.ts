import { type Command, Option } from 'commander';
import type { Checkpoint, CheckpointQuery, CheckpointState } from '../../../client/client.js';
import { allPages } from '../../pages.js';
import { printTable } from '../../table.js';
import { humanAge, humanSize } from '../../units.js';
import { collectLabel } from '../../values.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

const STATES: readonly CheckpointState[] = [
  'requested',
  'quiescing',
  'dumping',
  'captured',
  'committing',
  'committed',
  'failed',
  'removed',
];

/** What `checkpoint ls` takes. */
interface Options {
  readonly all?: boolean;
  readonly state?: CheckpointState;
  readonly label?: Record<string, string>;
  readonly container?: string;
  readonly mechanism?: string;
  readonly published?: boolean;
}

/** `checkpoint ls`: lists checkpoints, newest first. */
export function lsVerb(context: VerbContext): Command {
  const command = newVerb('ls', 'List checkpoints, newest first.')
    .option('-a, --all', 'also failed and removed ones')
    .addOption(new Option('--state <state>', 'only in this state').choices(STATES))
    .option('-l, --label <key[=value]>', 'only with this label; can be repeated', collectLabel)
    .option('--container <name>', 'only of this container')
    .option('--mechanism <name>', 'only by this mechanism')
    .option('--published', 'only published ones');
  return doing(context, command, (options: Options) => async shell => {
    const checkpoints = await allPages(paging =>
      shell.client.listCheckpoints({ ...paging, ...filterOf(options) }),
    );
    if (shell.json) await shell.printJson(checkpoints);
    else if (shell.quiet) for (const each of checkpoints) await shell.print(each.crid);
    else {
      const head = ['CRID', 'CONTAINER', 'MECHANISM', 'STATE', 'SIZE', 'PUBLISHED', 'PARENT', 'AGE'];
      await printTable(
        shell,
        head,
        checkpoints.map(each => row(each, shell.nowMs())),
      );
    }
    return 0;
  });
}

function filterOf({ all, state, label, container, mechanism, published }: Options): CheckpointQuery {
  const states = state ? [state] : all ? STATES : undefined;
  return {
    ...(states && { states }),
    ...(label && { labels: label }),
    ...(container !== undefined && { container }),
    ...(mechanism !== undefined && { mechanism }),
    ...(published && { published }),
  };
}

function row(checkpoint: Checkpoint, nowMs: number): string[] {
  const { crid, container, mechanism, state, bytes, published = '-', parent = '-', createdAt } = checkpoint;
  return [crid, container, mechanism, state, humanSize(bytes), published, parent, humanAge(createdAt, nowMs)];
}
