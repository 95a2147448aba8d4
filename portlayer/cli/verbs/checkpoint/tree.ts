import type { Command } from 'commander';
import { allPages } from '../../pages.js';
import { printable } from '../../table.js';
import { ASCII, BOX, treeLines } from '../../tree.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint tree`: the lineage, drawn. */
export function treeVerb(context: VerbContext): Command {
  const command = newVerb('tree', 'Draw the lineage of checkpoints, and the containers restored from each.')
    .argument('[root]', 'only what is below this checkpoint')
    .option('--container <name>', 'only checkpoints of this container and their ancestors');
  return doing(
    context,
    command,
    (root: string | undefined, { container }: { container?: string }) =>
      async shell => {
        const query = { ...(root !== undefined && { root }), ...(container !== undefined && { container }) };
        const nodes = await shell.client.getCheckpointTree(query);
        if (shell.json) {
          await shell.printJson(nodes);
          return 0;
        }
        const containers = await allPages(paging => shell.client.listContainers(paging));
        const states = new Map(containers.map(each => [each.spec.name, each.state]));
        const { LC_ALL, LC_CTYPE, LANG } = process.env;
        const utf8 = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
        for (const line of treeLines(nodes, states, utf8 ? BOX : ASCII, shell.nowMs()))
          await shell.print(printable(line));
        return 0;
      },
  );
}
