import { resolve } from 'node:path';
import { defaultStateDirectory } from '../client/address.js';
import type { LevelOffer } from '../client/client.js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** What `serve` takes; absent: the defaults of `client/address.ts`. */
export interface ServeOptions {
  readonly stateDir?: string;
  /** `unix:PATH`; absent: the socket in the state directory. */
  readonly listen?: string;
  /** Modules with plugins of somebody else's. */
  readonly plugin?: readonly string[];
  /** A file with the configuration of plugins; absent: `config.json` in the state directory, where there is one. */
  readonly config?: string;
}

/** What a rebuild of the catalog from the manifests beside the images found. */
export interface RebuildSummary {
  readonly containers: number;
  readonly checkpoints: number;
  /** One sentence for each thing that could not be taken over. */
  readonly problems: readonly string[];
}

/**
 * The part of `portlayer/main.ts` that the command line uses: verbs that need no running service.
 * `bin.ts` loads it only for them, so that the others start fast.
 */
export interface LocalService {
  /** Runs the service until it is told to stop (SIGTERM, SIGINT). */
  serve(options: ServeOptions): Promise<void>;
  /** Looks at this host. */
  doctor(options: ServeOptions): Promise<readonly LevelOffer[]>;
  /** Makes the catalog of a stopped service again. Absent: the default state directory. */
  rebuild(stateDir?: string): Promise<RebuildSummary>;
  /** Shows what the port layer does, on this host; gives the exit code. */
  demo(argv: readonly string[]): Promise<number>;
}

/** The service of this package, for the verbs that need no running one. `log` writes one line for a person. */
export async function loadLocalService(log: (line: string) => void): Promise<LocalService> {
  const main = await import('../main.js');
  const directory = (given: string | undefined) => resolve(given ?? defaultStateDirectory());
  return {
    serve: ({ stateDir, listen, plugin, config }) =>
      main.serve({
        stateDirectory: directory(stateDir),
        plugins: plugin ?? [],
        ...(config !== undefined && { configFile: config }),
        ...(listen !== undefined && { socketPath: socketOf(listen) }),
        log,
      }),
    doctor: ({ stateDir, config }) =>
      main.surveyHere({
        stateDirectory: directory(stateDir),
        ...(config !== undefined && { configFile: config }),
        log,
      }),
    async rebuild(stateDir) {
      const problems: string[] = [];
      const { containers, checkpoints } = await main.rebuildCatalog({
        stateDirectory: directory(stateDir),
        log: problem => problems.push(problem),
      });
      return { containers, checkpoints, problems };
    },
    async demo([which]) {
      if (which === 'vm') {
        const { runVmDemo } = await import('./demo/vm.js');
        return runVmDemo(line => process.stdout.write(`${line}\n`));
      }
      const { runDemo } = await import('./demo/demo.js');
      return runDemo(line => process.stdout.write(`${line}\n`));
    },
  };
}

function socketOf(listen: string): string {
  if (listen.startsWith('unix:')) return resolve(listen.slice('unix:'.length));
  throw new PortLayerError('INVALID_SPEC', 'The service listens on unix sockets only.', {
    required: 'unix:PATH',
    found: listen,
    remedy: 'Write it as --listen unix:/run/portlayer.sock',
    facts: { field: 'listen' },
  });
}
