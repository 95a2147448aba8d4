import type { CheckpointRecord } from '../../../portlayer/model/checkpoint-record.js';
import type { ContainerRecord } from '../../../portlayer/model/container-record.js';
import { buildPrograms } from '../container/programs.js';
import { openWorld, type World } from '../container/world.js';
import { whyNot } from './subject.js';

/** A service whose containers run under DMTCP. */
export interface DmtcpWorld {
  readonly world: World;
  /** Creates and starts a container with the test programs at /programs. */
  run(
    name: string,
    argv: readonly string[],
    more?: Readonly<Record<string, unknown>>,
  ): Promise<ContainerRecord>;
  /** Checkpoints by DMTCP, whatever else there is. */
  checkpoint(name: string, more?: { stopAfter?: boolean; committed?: boolean }): Promise<CheckpointRecord>;
  /** Waits for the end; its code, with everything that was said. */
  end(name: string): Promise<{ code: number; signal: number; output: string[]; message: string }>;
}

const patienceMs = 60_000;

/** For a suite's `before`: opens a service, or skips the suite with the reason. */
export async function openOrSkip(
  context: Mocha.Context,
  config?: Readonly<Record<string, unknown>>,
): Promise<DmtcpWorld> {
  const reason = await whyNot();
  if (reason !== undefined) {
    console.log(`      skipped: ${reason}`);
    return context.skip();
  }
  return openDmtcpWorld(config);
}

/** Opens a service in a state directory of its own, or again in an existing one; the test closes its `world`. */
export async function openDmtcpWorld(
  dmtcp: Readonly<Record<string, unknown>> = {},
  existing?: string,
): Promise<DmtcpWorld> {
  const world = await openWorld({}, existing, { dmtcp });
  const volumes = [{ source: '/usr', target: '/usr', readOnly: true }, buildPrograms(world.stateDirectory)];
  return {
    world,
    run: (name, argv, more = {}) => world.run(name, argv, { loader: 'dmtcp', volumes, ...more }),
    checkpoint: (container, more = {}) =>
      world.dispatch.createCheckpoint(
        '',
        {
          container,
          mechanism: 'dmtcp',
          labels: {},
          durability: more.committed ? 'committed' : 'captured',
          stopAfter: more.stopAfter ?? false,
        },
        () => {},
        AbortSignal.timeout(patienceMs),
      ),
    async end(name) {
      const exit = await world.dispatch.waitContainer(name, AbortSignal.timeout(patienceMs));
      const { code, signal, message = '' } = exit;
      return { code, signal, output: await world.output(name), message };
    },
  };
}
