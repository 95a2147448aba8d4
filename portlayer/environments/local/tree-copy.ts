import { collect } from '../process/collect-output.js';
import { copyTreeBy } from '../process/copy-tree.js';
import { spawnLocal } from './local-process.js';

/** Copies a tree of this machine; see {@link copyTreeBy}. */
export function copyTree(
  from: string,
  to: string,
  reflink: 'always' | 'auto',
  signal?: AbortSignal,
): Promise<void> {
  return copyTreeBy(
    (argv, options = {}) => collect(spawnLocal(argv, options), options),
    from,
    to,
    reflink,
    signal,
  );
}
