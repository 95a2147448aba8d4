import type { Finished } from '../../../portlayer/plugin/host.js';
import { runcCommand, runcEnvironment } from '../command.js';
import type { ContainerPaths } from '../layout.js';
import type { Place } from '../place.js';
import { endHelpers } from './end-helpers.js';
import type { UsableCriu } from './find-criu.js';

/** The set-up that gives CRIU a /run on a tmpfs where the host has none. Pure. */
export function criuSetup(criu: UsableCriu): readonly string[] {
  return criu.run === undefined ? [] : ['--bind', criu.run, '/run'];
}

/**
 * Runs one verb of runc that calls CRIU, in a mount namespace of its own, to its end. `work` is CRIU's working directory
 * in the verb, by which its processes are known. When the signal aborts they are ended, CRIU with them: a debugger's
 * hold on the container goes with it. Never rejects.
 */
export async function runStaged(
  place: Place,
  criu: UsableCriu,
  paths: ContainerPaths,
  verb: readonly string[],
  work: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Finished> {
  const setup = criuSetup(criu);
  const command = runcCommand(place, paths, verb);
  // A CRIU whose runc was killed goes on alone, and sets the freezer last of all: it is waited for.
  const argv = [place.host.initBinary, 'stage', '--wait-all', ...setup, '--', ...command];
  const end = () => void endHelpers(place.host, work).catch(() => {});
  signal.addEventListener('abort', end, { once: true });
  try {
    const preload = criu.limits === 'answered' ? { LD_PRELOAD: place.layout.limitsLibrary } : {};
    return await place.host.run(argv, { env: { ...runcEnvironment(criu.directory), ...preload, ...env } });
  } finally {
    signal.removeEventListener('abort', end);
  }
}
