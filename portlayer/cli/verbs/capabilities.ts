import type { Command } from 'commander';
import { printLevels } from '../level-table.js';
import { printPlan } from '../plan-table.js';
import type { Shell } from '../shell.js';
import { printTable } from '../table.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `capabilities`: what there is, or what one container's levels can do together. */
export function capabilitiesVerb(context: VerbContext): Command {
  const command = newVerb(
    'capabilities',
    'Show what the levels can do; of a container: together, and with which mechanism.',
  ).argument('[container]');
  return doing(context, command, (container: string | undefined) => async shell => {
    if (container !== undefined) return ofContainer(shell, container);
    const levels = await shell.client.listLevels();
    if (shell.json) await shell.printJson(levels);
    else await printLevels(shell, levels, { remedies: false });
    return 0;
  });
}

async function ofContainer(shell: Shell, container: string): Promise<number> {
  const capabilities = await shell.client.getCapabilities(container);
  if (shell.json) {
    await shell.printJson(capabilities);
    return 0;
  }
  const { available, withheld, mechanisms } = capabilities;
  const rows = [
    ...available.map(({ tag, level, name }) => [tag, level, name, 'yes']),
    ...withheld.map(({ tag, level, name, reason }) => [tag, level, name, `no: ${reason}`]),
  ];
  await printTable(shell, ['CAPABILITY', 'LEVEL', 'NAME', 'AVAILABLE'], rows);
  if (mechanisms.length === 0) return 0;
  await shell.print('');
  await printPlan(shell, mechanisms);
  return 0;
}
