import { Command } from 'commander';
import type { VerbContext } from '../../verb.js';
import { checkVerb } from './check.js';
import { coalesceVerb } from './coalesce.js';
import { commitVerb } from './commit.js';
import { createVerb } from './create.js';
import { diffVerb } from './diff.js';
import { exportVerb } from './export.js';
import { gcVerb } from './gc.js';
import { importVerb } from './import.js';
import { inspectVerb } from './inspect.js';
import { lsVerb } from './ls.js';
import { pinVerb } from './pin.js';
import { publishVerb } from './publish.js';
import { rmVerb } from './rm.js';
import { targetsVerb } from './targets.js';
import { treeVerb } from './tree.js';
import { unpublishVerb } from './unpublish.js';
import { verifyVerb } from './verify.js';

/** `checkpoint`: the verbs on checkpoints. */
export function checkpointVerbs(context: VerbContext): Command {
  const group = new Command('checkpoint').description('Create, list, publish and remove checkpoints.');
  for (const make of [
    createVerb,
    lsVerb,
    treeVerb,
    inspectVerb,
    publishVerb,
    unpublishVerb,
    rmVerb,
    commitVerb,
    importVerb,
    exportVerb,
    diffVerb,
    gcVerb,
    verifyVerb,
    coalesceVerb,
    pinVerb,
    checkVerb,
    targetsVerb,
  ]) {
    group.addCommand(make(context));
  }
  return group;
}
