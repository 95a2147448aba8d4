import type { VimClient } from './client.js';
import { vimFault } from './fault.js';
import { taskFault } from './soap-fault.js';
import { isUnreachable } from './unreachable.js';
import { watchObject } from './watch.js';
import { type Ref, ref, type Wire } from './wire.js';

/**
 * Calls a method that begins a task, and waits for it: its result. Throws the fault of the call or of the task, or, with
 * the fact `uncertain`, that it is not known whether it happened: the caller looks before it tries again.
 */
export async function runTask(
  vim: VimClient,
  method: string,
  self: Ref,
  args: Wire,
  signal: AbortSignal,
): Promise<unknown> {
  signal.throwIfAborted();
  const task = (await vim.call(method, { _this: ref(self), ...args }, { signal })) as Ref;
  try {
    for await (const values of watchObject(vim, task, ['info.state', 'info.error', 'info.result'], signal)) {
      if (values['info.state'] === 'success') return values['info.result'];
      if (values['info.state'] === 'error') throw taskFault(method, values['info.error']);
    }
  } catch (caught) {
    if (signal.aborted || isUnreachable(caught)) throw caught;
    if (isForgotten(caught)) throw unknownEnd(method);
    throw caught;
  }
  throw unknownEnd(method);
}

/** The vCenter was restarted and knows no such task any more. */
function isForgotten(caught: unknown): boolean {
  return (
    caught instanceof Error &&
    'facts' in caught &&
    (caught.facts as { method?: string }).method === 'WaitForUpdatesEx'
  );
}

function unknownEnd(method: string): Error {
  const text = 'the vCenter was restarted and does not know this task any more';
  return vimFault(method, 'TaskForgotten', text, '', { uncertain: 'true' });
}
