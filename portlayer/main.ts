import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { builtinEnvironments, builtinExecutors } from '../executors/builtins.js';
import { builtinLoaders } from '../loaders/builtins.js';
import type { Listener } from './api/listener.js';
import { createApiServer } from './api/server.js';
import type { TlsFiles } from './api/tls.js';
import { openCatalog } from './catalog/sqlite-catalog.js';
import { type ConfiguredPlugin, checkConfigFile } from './check-config-file.js';
import { socketPath } from './client/address.js';
import { createClosers } from './closers.js';
import { createDispatch, type RunningDispatch } from './dispatch/create-dispatch.js';
import { leftovers } from './dispatch/leftovers.js';
import { type Rebuilt, rebuild } from './dispatch/rebuild.js';
import { type StorePolicy, storePolicy } from './dispatch/store-policy.js';
import { createLocalEnvironment } from './environments/local/local-environment.js';
import { sshEnvironment } from './environments/ssh/plugin.js';
import { PortLayerError } from './errors/port-layer-error.js';
import { parseListener, readApiConfig } from './listen-config.js';
import { loadPlugins } from './load-plugins.js';
import { openEnvironments } from './open-environments.js';
import { packageRoot } from './package-root.js';
import type { EnvironmentPlugin } from './plugin/environment.js';
import type { ExecutorPlugin } from './plugin/executor.js';
import type { Leftover } from './plugin/leftovers.js';
import { createRegistry, type PlacedOffer, type Registry } from './plugin/registry.js';
import { openAudit } from './policy/audit.js';
import { type PluginConfig, readConfig, type ServiceConfig } from './read-config.js';
import { openImageStore, type StoreOptions } from './store/image-store.js';
import { openReserve, type Reserve } from './store/reserve.js';
import { openSpecStore } from './store/spec-store.js';

/** How long a stopping service lets calls finish, in milliseconds. */
const STOP_GRACE_MS = 5000;

/** What a service is started with. */
export interface ServiceOptions {
  /** Absolute; made with mode 0700. One service for each. */
  readonly stateDirectory: string;
  /** Absolute path of the unix socket. Default: `portlayer.sock` in the state directory. */
  readonly socketPath?: string;
  /** What to listen on instead, as `--listen` is written. Default: {@link socketPath}. */
  readonly listen?: readonly string[];
  /** For ports. Default: what the configuration says. */
  readonly tls?: TlsFiles;
  /** Configuration of plugins, by name. Default: {@link configFile}. */
  readonly config?: PluginConfig;
  /** A file with that configuration. Default: `config.yaml`, `config.yml` or `config.json` in the state directory, where there is one. */
  readonly configFile?: string;
  /** Further executors than the built-in ones. */
  readonly executors?: readonly ExecutorPlugin[];
  /** Modules with plugins of somebody else's. */
  readonly plugins?: readonly string[];
  readonly log: (message: string) => void;
}

/** A service that answers on its socket. Disposing ends the service and nothing that runs in it. */
export interface Service extends AsyncDisposable {
  readonly socketPath: string;
  /** The TCP ports that it listens on. */
  readonly ports: readonly number[];
  readonly dispatch: RunningDispatch;
}

/** Starts a service: takes up what ran before, then listens. Throws `PortLayerError`. */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { stateDirectory } = options;
  const path = options.socketPath ?? socketPath(stateDirectory);
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  requireShort(stateDirectory);
  const reserve = openReserve(join(stateDirectory, 'reserve'));
  const service = await reserve.use(() => open(options, path, reserve));
  reserve.refill();
  return service;
}

/** The longest state directory, in bytes: a container's sockets lie 60 bytes below it and a socket's path has 107. Source: unix(7). */
const LONGEST_STATE_DIRECTORY = 47;

function requireShort(stateDirectory: string): void {
  const bytes = Buffer.byteLength(stateDirectory);
  if (bytes <= LONGEST_STATE_DIRECTORY) return;
  throw new PortLayerError('INVALID_SPEC', 'The state directory has too long a path for the sockets in it.', {
    required: `at most ${LONGEST_STATE_DIRECTORY} bytes`,
    found: `${bytes} bytes: ${stateDirectory}`,
    remedy: 'Choose a shorter one with --state-dir, for example /var/lib/portlayer.',
    facts: { field: 'stateDirectory' },
  });
}

async function open(options: ServiceOptions, path: string, reserve: Reserve): Promise<Service> {
  const { stateDirectory, log } = options;
  const closers = createClosers();
  const listen = await listenersOf(options, path);
  const first = listen.flatMap(each => ('path' in each ? each.path : []))[0] ?? path;
  try {
    const catalog = openCatalog(join(stateDirectory, 'catalog.db'));
    closers.add(() => catalog.close());
    const audit = openAudit(join(stateDirectory, 'audit.log'), log);
    closers.add(() => audit.close());
    const { registry, policy } = await openRegistry(options);
    closers.add(() => registry[Symbol.asyncDispose]());
    const store = await openImageStore(stateDirectory, storeOptions(policy, log));
    closers.add(() => store[Symbol.asyncDispose]());
    const specs = await openSpecStore(join(stateDirectory, 'specs'), log);
    const dispatch = await createDispatch({
      registry,
      catalog,
      store,
      storePolicy: policy,
      specs,
      reserve,
      audit,
      log,
    });
    closers.add(() => dispatch[Symbol.asyncDispose]());
    const server = await createApiServer({
      dispatch,
      listen,
      log,
      refused: (who, what, why) => audit.record({ who, what, on: '', outcome: 'refused', why }),
    });
    closers.add(() => server.stop(STOP_GRACE_MS));
    const { ports } = server;
    return { socketPath: first, ports, dispatch, [Symbol.asyncDispose]: () => closers.close() };
  } catch (caught) {
    await closers.close();
    throw caught;
  }
}

/** The service's own socket, or what is given instead, and what the configuration adds. */
async function listenersOf(options: ServiceOptions, path: string): Promise<readonly Listener[]> {
  const config = await readApiConfig(configFileOf(options));
  const api = options.tls ? { ...config, tls: options.tls } : config;
  const own = options.listen?.map(written => parseListener(written, api)) ?? [{ path }];
  return [...own, ...(config.listen ?? []).map(written => parseListener(written, api))];
}

/** Runs a service in the foreground until SIGTERM or SIGINT. */
export async function serve(options: ServiceOptions): Promise<void> {
  // Images and the catalog hold what tasks hold: nobody else reads them.
  process.umask(0o077);
  const ended = new Promise<string>(resolve => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  const service = await openService(options);
  const { recovered } = service.dispatch;
  options.log(`serving on ${service.socketPath}`);
  for (const port of service.ports) options.log(`serving on port ${port}, with certificates`);
  options.log(
    `taken up: ${recovered.running} running, ${recovered.ended} ended, ${recovered.commitsResumed} commits resumed, ` +
      `${recovered.checkpointsUndone} checkpoints undone, ${recovered.checkpointsFound} found again`,
  );
  for (const orphan of recovered.orphans) options.log(`running, but not known to the catalog: ${orphan}`);
  options.log(`${await ended}: ending; what runs goes on`);
  await service[Symbol.asyncDispose]();
}

/** What this host offers at each level, without a service. */
export async function surveyHere(
  options: Omit<ServiceOptions, 'socketPath'>,
): Promise<readonly PlacedOffer[]> {
  const opened = await openRegistry(options, true);
  await using registry = opened.registry;
  return await registry.survey(true);
}

/** What killed runs left behind of a state directory; with `sweep` it is removed: WRONG_STATE where a service uses it. */
export async function leftBehindHere(
  options: Omit<ServiceOptions, 'socketPath'>,
  sweep: boolean,
): Promise<readonly Leftover[]> {
  if (sweep) requireUnused(join(options.stateDirectory, 'catalog.db'));
  const opened = await openRegistry(options, true);
  await using registry = opened.registry;
  const found: Leftover[] = [];
  const alone = (_uid: string, remove: () => Promise<void>) => remove();
  for await (const each of leftovers({ registry, log: options.log }, sweep ? alone : undefined))
    found.push(each);
  return found;
}

/**
 * Rebuilds the catalog of a state directory that no service uses from the manifests and specs in it. The old file
 * is kept beside it. Throws WRONG_STATE while a service uses it.
 */
export async function rebuildCatalog(options: Omit<ServiceOptions, 'socketPath'>): Promise<Rebuilt> {
  const path = join(options.stateDirectory, 'catalog.db');
  requireUnused(path);
  const kept = `.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) await rename(path + suffix, path + kept + suffix);
  }
  const catalog = openCatalog(path);
  await using _catalog = { [Symbol.asyncDispose]: async () => catalog.close() };
  const { registry: opened, policy } = await openRegistry(options);
  await using registry = opened;
  await using store = await openImageStore(options.stateDirectory, storeOptions(policy, options.log));
  const specs = await openSpecStore(join(options.stateDirectory, 'specs'), options.log);
  return await rebuild({ catalog, store, specs, registry, log: options.log });
}

/** Throws WRONG_STATE where a service has the catalog open; a damaged one cannot be in use. */
function requireUnused(path: string): void {
  if (!existsSync(path)) return;
  try {
    openCatalog(path).close();
  } catch (caught) {
    if (PortLayerError.from(caught).code === 'WRONG_STATE') throw caught;
  }
}

/** What the configuration says of plugins, made; and what it says of the store. */
async function openRegistry(
  options: Omit<ServiceOptions, 'socketPath'>,
  looking = false,
): Promise<{ readonly registry: Registry; readonly policy: StorePolicy }> {
  const initBinary = join(packageRoot(), 'loaders/init/build/portlayer-init');
  if (!existsSync(initBinary)) {
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The init has not been built.', {
      required: initBinary,
      found: 'no such file',
      remedy:
        'Install a C compiler (apt-get install gcc libc6-dev) and run: npm rebuild portlayer, or npm run build:init',
    });
  }
  const loaded = await loadPlugins(options.plugins ?? []);
  const executors = [...builtinExecutors, ...loaded.executors, ...(options.executors ?? [])];
  const loaders = [...builtinLoaders, ...loaded.loaders];
  const { stateDirectory, log } = options;
  const kinds = [...builtinEnvironments, sshEnvironment as EnvironmentPlugin];
  const { plugins, environments, store } = await configOf(options, [...executors, ...loaders], kinds);
  const local = await createLocalEnvironment({ stateDirectory, initBinary });
  const others = await openEnvironments(environments, kinds, { stateDirectory, initBinary, looking, log });
  const policy = storePolicy(store);
  const registry = await createRegistry({
    environments: [local, ...others],
    executors,
    loaders,
    config: options.config ?? plugins,
    configOf: Object.fromEntries(
      Object.entries(environments).map(([name, entry]) => [name, entry.plugins ?? {}]),
    ),
    log,
  });
  return { registry, policy };
}

function storeOptions(
  { stagingDirectory, bytesPerSecond }: StorePolicy,
  log: (message: string) => void,
): StoreOptions {
  return { log, bytesPerSecond, ...(stagingDirectory === undefined ? {} : { stagingDirectory }) };
}

/** The usual names of the configuration in a state directory; the first that is there. */
const USUAL_CONFIGS = ['config.yaml', 'config.yml', 'config.json'];

/** What the file says, each member checked against the schema of its plugin or kind while its line is known. */
async function configOf(
  options: ServiceOptions,
  plugins: readonly ConfiguredPlugin[],
  kinds: readonly EnvironmentPlugin[],
): Promise<ServiceConfig> {
  const file = configFileOf(options);
  if (file === undefined) return { plugins: {}, environments: {} };
  const config = await readConfig(
    file,
    plugins.map(plugin => plugin.name),
  );
  checkConfigFile(config, plugins, kinds);
  return config;
}

function configFileOf(options: Pick<ServiceOptions, 'stateDirectory' | 'configFile'>): string | undefined {
  const usual = USUAL_CONFIGS.map(name => join(options.stateDirectory, name)).find(path => existsSync(path));
  return options.configFile ?? usual;
}
