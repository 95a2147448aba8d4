import { Option } from 'commander';
import type { ConstraintVerdict } from '../client/client.js';
import type { Shell } from './shell.js';

/** `--constraints`: what a restore does where something that the checkpoint requires is not there. */
export function constraintsOption(): Option {
  return new Option(
    '--constraints <policy>',
    'where something that the checkpoint requires is not there: refuse, tell and go on, or do not look',
  ).choices(['enforce', 'warn', 'ignore']);
}

/** Tells on stderr what is not met. */
export function complainOfUnmet(shell: Shell, verdicts: readonly ConstraintVerdict[]): void {
  for (const { level, key, relation, required, found } of verdicts)
    shell.complain(`warning: ${level} ${key} must be ${relation} ${required}, found ${found || 'nothing'}`);
}
