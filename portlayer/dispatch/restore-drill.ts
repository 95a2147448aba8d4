import { PortLayerError } from '../errors/port-layer-error.js';
import { newUlid } from '../model/ids.js';
import type { Core } from './core.js';
import type { Dispatch } from './dispatch.js';
import { noteVerified, quarantine } from './verify.js';

/** How a copy is tried. */
export interface Drill {
  /** It must stay up, or end well, for so long. */
  readonly forMs: number;
  /** A command run inside it when it is up; it must end with 0. Empty: none. */
  readonly probe: readonly string[];
}

/** The calls that a drill is made of. */
export type DrillCalls = Pick<Dispatch, 'restoreCheckpoint' | 'getContainer' | 'removeContainer' | 'exec'>;

const LOOK_EVERY_MS = 50;

/**
 * Starts a copy of a checkpoint in a scratch container, sees that it comes up and stays up (or ends well), runs the probe
 * in it, and removes it. A checkpoint of which no copy comes up is quarantined; what the probe says is told and no more.
 */
export async function restoreDrill(
  core: Core,
  calls: DrillCalls,
  crid: string,
  drill: Drill,
  signal: AbortSignal,
): Promise<{ readonly error?: PortLayerError }> {
  const name = `drill-${newUlid().toLowerCase()}`;
  try {
    const request = { checkpoint: crid, name, inPlace: false, labels: { 'portlayer/drill': crid } };
    await calls.restoreCheckpoint('', request, signal);
    await staysUp(calls, name, drill, signal);
    noteVerified(core, crid, 'restore');
    return {};
  } catch (caught) {
    signal.throwIfAborted();
    const error = PortLayerError.from(caught);
    if (error.code === 'CHECKPOINT_CORRUPT' || error.facts.drill !== undefined) quarantine(core, crid, error);
    return { error };
  } finally {
    await calls.removeContainer('', name, true).catch(caught => core.log(`drill ${name}: ${String(caught)}`));
  }
}

async function staysUp(
  calls: DrillCalls,
  name: string,
  { forMs, probe }: Drill,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + forMs;
  if (probe.length > 0) await runProbe(calls, name, probe, signal);
  for (;;) {
    signal.throwIfAborted();
    const { state, exit } = await calls.getContainer(name);
    if (state === 'exited') {
      if (exit?.reason === 'completed') return;
      throw notUp(`it ended: ${exit?.reason ?? 'unknown'}, code ${exit?.code ?? '-'}`);
    }
    if (performance.now() >= until) return;
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function runProbe(
  calls: DrillCalls,
  name: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const session = await calls.exec(name, { argv, env: {} }, signal);
  session.stdin.end();
  const drain = async (output: AsyncIterable<Buffer>): Promise<void> => {
    for await (const _ of output) {
      // Only how it ends counts.
    }
  };
  const [{ code }] = await Promise.all([session.exited, drain(session.stdout), drain(session.stderr)]);
  if (code !== 0) throw notUp(`the probe ${argv[0]} ended with ${code}`);
}

function notUp(found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', 'A copy of the checkpoint does not run.', {
    required: 'a copy that stays up, or ends well, and a probe that ends with 0',
    found,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
    facts: { drill: 'failed' },
  });
}
