import { resolve } from 'node:path';
import { defaultStateDirectory } from '../client/address.js';
import type { LevelOffer } from '../client/client.js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** What `serve` takes; absent: the defaults of `client/address.ts`. */
export interface ServeOptions {
  readonly stateDir?: string;
  /** `unix:PATH[,role=…]` or `tcp:HOST:PORT`; absent: the socket in the state directory. */
  readonly listen?: readonly string[];
  /** PEM files, for ports: the service's certificate, its key, and who signs the callers' certificates. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  /** Modules with plugins of somebody else's. */
  readonly plugin?: readonly string[];
  /** A file with the configuration of plugins; absent: `config.yaml`, `config.yml` or `config.json` in the state directory, where there is one. */
  readonly config?: string;
}

/** One thing that a killed run left on its host: a process, a mount, a cgroup, or runc's state. */
export interface Leftover {
  readonly kind: string;
  readonly id: string;
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
  /** What killed runs left behind of a service that does not run; with `sweep` it is removed. */
  leftBehind(options: ServeOptions, sweep: boolean): Promise<readonly Leftover[]>;
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
    serve: ({ stateDir, listen, plugin, config, ...tls }) =>
      main.serve({
        stateDirectory: directory(stateDir),
        plugins: plugin ?? [],
        ...(config !== undefined && { configFile: config }),
        ...(listen !== undefined && { listen: listen.map(absolute) }),
        ...tlsFiles(tls),
        log,
      }),
    doctor: ({ stateDir, config }) =>
      main.surveyHere({
        stateDirectory: directory(stateDir),
        ...(config !== undefined && { configFile: config }),
        log,
      }),
    leftBehind: ({ stateDir, config }, sweep) =>
      main.leftBehindHere(
        { stateDirectory: directory(stateDir), ...(config !== undefined && { configFile: config }), log },
        sweep,
      ),
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

/** A relative path is one from here. */
function absolute(listen: string): string {
  const [, path, rest = ''] = /^unix:([^/,][^,]*)(,.*)?$/.exec(listen) ?? [];
  return path === undefined ? listen : `unix:${resolve(path)}${rest}`;
}

/** All three or none: a certificate without the rest would leave the port to anybody. */
function tlsFiles({ tlsCert, tlsKey, tlsClientCa }: ServeOptions) {
  const given = [tlsCert, tlsKey, tlsClientCa].filter(file => file !== undefined);
  if (given.length === 0) return {};
  if (tlsCert !== undefined && tlsKey !== undefined && tlsClientCa !== undefined)
    return { tls: { cert: resolve(tlsCert), key: resolve(tlsKey), clientCa: resolve(tlsClientCa) } };
  throw new PortLayerError('INVALID_SPEC', 'A port needs three TLS files.', {
    required: '--tls-cert, --tls-key and --tls-client-ca',
    found: `${given.length} of them`,
    remedy: 'Give all three, or none and listen on unix sockets.',
    facts: { field: 'tls' },
  });
}
