import { PortLayerError } from '../errors/port-layer-error.js';
import type { Phase } from '../plugin/mechanism.js';

/** Watches that a dump holds a container still no longer than was asked for. */
export interface PauseLimit {
  /** Aborts, with QUIESCE_TIMEOUT as its reason, when the pause has become too long. */
  readonly signal: AbortSignal;
  /** Told each phase as it begins. */
  enter(phase: Phase): void;
  end(): void;
}

/** A limit on the phase `dumping`, in which nothing of the container executes; undefined where there is none. */
export function limitPause(maxPauseMs: number | undefined): PauseLimit | undefined {
  if (maxPauseMs === undefined) return undefined;
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => clearTimeout(timer);
  return {
    signal: controller.signal,
    enter(phase) {
      end();
      if (phase === 'dumping') timer = setTimeout(() => controller.abort(tooLong(maxPauseMs)), maxPauseMs);
    },
    end,
  };
}

function tooLong(maxPauseMs: number): PortLayerError {
  return new PortLayerError(
    'QUIESCE_TIMEOUT',
    'The container stood still for too long; the dump was given up.',
    {
      required: `a pause of at most ${maxPauseMs} ms`,
      found: `after ${maxPauseMs} ms the dump was still at it`,
      remedy:
        'Allow a longer pause, or let the next mechanism be taken (--fallback). The container runs on without this checkpoint.',
      facts: { phase: 'dumping', maxPauseMs: String(maxPauseMs) },
    },
  );
}
