import { PortLayerError } from '../errors/port-layer-error.js';
import type { Fingerprint, LevelOffer } from '../model/capability.js';
import { checkConfig } from './config-check.js';
import { deferExecutor } from './deferred-executor.js';
import type { Environment } from './environment.js';
import type { Executor, ExecutorPlugin } from './executor.js';
import { firstFingerprint } from './fingerprint-watch.js';
import { type Host, isUnreachable } from './host.js';
import type { Loader, LoaderPlugin } from './loader.js';

/** What the composition root hands in. */
export interface RegistryOptions {
  readonly environments: readonly Environment[];
  readonly executors: readonly ExecutorPlugin[];
  readonly loaders: readonly LoaderPlugin[];
  /** Configuration by plugin name. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Configuration by environment, then by executor name, where it is not `config`'s. */
  readonly configOf?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly log: (message: string) => void;
}

/** A level with the environment it is in. */
export interface PlacedOffer extends LevelOffer {
  readonly environment?: string;
}

/** Every plugin that is there, made once. */
export interface Registry extends AsyncDisposable {
  /** Throws INVALID_SPEC naming those there are. */
  environment(name: string): Environment;
  executor(environment: string, name: string): Executor;
  loader(name: string): Loader;
  executors(): readonly { readonly environment: string; readonly executor: Executor }[];
  /** Environment, executor and loader of one container, with their last fingerprints. */
  offers(environment: string, executor: string, loader: string): Promise<readonly LevelOffer[]>;
  /**
   * Those of the three that there are in an environment, one that cannot be looked at as unusable. Throws INVALID_SPEC
   * where there is no such environment.
   */
  present(environment: string, executor: string, loader: string): Promise<readonly LevelOffer[]>;
  environments(): readonly string[];
  /** Everything, everywhere. */
  survey(refresh: boolean): Promise<readonly PlacedOffer[]>;
}

/** Makes every executor in every environment whose kind it works in. Throws INVALID_SPEC for a duplicate name or a bad configuration. */
export async function createRegistry(options: RegistryOptions): Promise<Registry> {
  const environments = uniqueByName('environment', options.environments);
  const loaders = uniqueByName(
    'loader',
    options.loaders.map(plugin => plugin.create(checkConfig(plugin, options.config[plugin.name]))),
  );
  uniqueByName('executor', options.executors);
  const executors = new Map<string, Executor>();
  for (const environment of environments.values()) {
    for (const plugin of options.executors.filter(p => p.environments.includes(environment.kind))) {
      const own = options.configOf?.[environment.name]?.[plugin.name];
      const config = checkConfig(plugin, own ?? options.config[plugin.name]);
      const services = {
        environment,
        log: (m: string) => options.log(`${environment.name}/${plugin.name}: ${m}`),
      };
      const make = () => plugin.create(config as never, services);
      const away = environment.host?.untilReachable !== undefined;
      executors.set(
        `${environment.name}/${plugin.name}`,
        away ? deferExecutor(plugin.name, environment.host as Host, make) : await make(),
      );
    }
  }
  const fingerprints = new Map<string, Promise<Fingerprint>>();
  const look = (key: string, source: () => Promise<Fingerprint>): Promise<Fingerprint> => {
    const known = fingerprints.get(key) ?? source();
    fingerprints.set(key, known);
    // What cannot be used now is looked at again the next time.
    known.then(
      print => print.health === 'unusable' && fingerprints.delete(key),
      () => fingerprints.delete(key),
    );
    return known;
  };
  const present = async (
    level: LevelOffer['level'],
    plugin: { name: string; capabilities: LevelOffer['capabilities'] },
    key: string,
    source: () => Promise<Fingerprint>,
  ): Promise<LevelOffer> => {
    const { name, capabilities } = plugin;
    const fingerprint = await look(key, source).catch(
      (caught): Fingerprint => ({
        level,
        name,
        health: 'unusable',
        description: PortLayerError.from(caught).message,
        findings: [],
      }),
    );
    return { level, name, capabilities, fingerprint };
  };
  const registry: Registry = {
    environment: name => known('environment', environments, name),
    executor(environment, name) {
      known('environment', environments, environment);
      const here = [...executors.keys()].filter(key => key.startsWith(`${environment}/`));
      return known(
        'executor',
        new Map(here.map(key => [key.slice(environment.length + 1), executors.get(key)!])),
        name,
      );
    },
    loader: name => known('loader', loaders, name),
    executors: () =>
      [...executors].map(([key, executor]) => ({ environment: key.slice(0, key.indexOf('/')), executor })),
    async offers(environment, executor, loader) {
      const place = registry.environment(environment);
      const runner = registry.executor(environment, executor);
      const bringer = registry.loader(loader);
      return Promise.all([
        offer(
          'environment',
          place,
          look(environment, () => firstFingerprint(s => place.fingerprint(s))),
        ),
        offer(
          'executor',
          runner,
          look(`${environment}/${executor}`, () => firstFingerprint(s => runner.fingerprint(s))),
        ),
        offer(
          'loader',
          bringer,
          look(`${environment}//${loader}`, () => loaderFingerprint(bringer, place)),
        ),
      ]);
    },
    environments: () => [...environments.keys()],
    async present(environment, executor, loader) {
      const place = registry.environment(environment);
      const runner = executors.get(`${environment}/${executor}`);
      const bringer = loaders.get(loader);
      const looks = [
        present('environment', place, environment, () => firstFingerprint(s => place.fingerprint(s))),
        ...(runner
          ? [
              present('executor', runner, `${environment}/${executor}`, () =>
                firstFingerprint(s => runner.fingerprint(s)),
              ),
            ]
          : []),
        ...(bringer
          ? [present('loader', bringer, `${environment}//${loader}`, () => loaderFingerprint(bringer, place))]
          : []),
      ];
      return Promise.all(looks);
    },
    async survey(refresh) {
      if (refresh) fingerprints.clear();
      const placed: PlacedOffer[] = [];
      for (const place of environments.values()) {
        const print = look(place.name, () => firstFingerprint(s => place.fingerprint(s)));
        placed.push(await offer('environment', place, print));
        for (const [key, executor] of executors) {
          if (!key.startsWith(`${place.name}/`)) continue;
          const fingerprint = look(key, () => firstFingerprint(s => executor.fingerprint(s)));
          placed.push({ ...(await offer('executor', executor, fingerprint)), environment: place.name });
        }
        for (const loader of loaders.values()) {
          const fingerprint = look(`${place.name}//${loader.name}`, () => loaderFingerprint(loader, place));
          placed.push({ ...(await offer('loader', loader, fingerprint)), environment: place.name });
        }
      }
      return placed;
    },
    async [Symbol.asyncDispose]() {
      for (const executor of executors.values()) await executor[Symbol.asyncDispose]();
      for (const environment of environments.values()) await environment[Symbol.asyncDispose]();
    },
  };
  return registry;
}

async function offer(
  level: LevelOffer['level'],
  plugin: { name: string; capabilities: LevelOffer['capabilities'] },
  fingerprint: Promise<Fingerprint>,
): Promise<LevelOffer> {
  const print = await fingerprint; // First: an executor may be made only now.
  return { level, name: plugin.name, capabilities: plugin.capabilities, fingerprint: print };
}

async function loaderFingerprint(loader: Loader, place: Environment): Promise<Fingerprint> {
  try {
    return await loader.fingerprint(place.host, AbortSignal.timeout(30_000));
  } catch (caught) {
    if (!isUnreachable(caught)) throw caught;
    const { message } = PortLayerError.from(caught);
    return { level: 'loader', name: loader.name, health: 'unusable', description: message, findings: [] };
  }
}

function known<T>(what: string, all: ReadonlyMap<string, T>, name: string): T {
  const found = all.get(name);
  if (found !== undefined) return found;
  throw new PortLayerError('INVALID_SPEC', `There is no ${what} ${name}.`, {
    required: `one of ${[...all.keys()].join(', ')}`,
    found: name,
    remedy: 'See what there is with: portlayer doctor',
    facts: { field: what },
  });
}

function uniqueByName<T extends { readonly name: string }>(what: string, all: readonly T[]): Map<string, T> {
  const byName = new Map(all.map(one => [one.name, one]));
  if (byName.size === all.length) return byName;
  const twice = all.find((one, i) => all.findIndex(other => other.name === one.name) !== i);
  throw new PortLayerError('INVALID_SPEC', `Two plugins bring the ${what} ${twice?.name ?? ''}.`, {
    required: `one ${what} of each name`,
    found: twice?.name ?? '',
    remedy: 'Remove one of them from the configuration.',
  });
}
