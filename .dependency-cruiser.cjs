// Who may import whom: section "folders" of the design, as rules. Type-only imports count as imports.
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: {
    path: '^(portlayer|executors|loaders|proto|test)/',
    pathNot: [from, ...allowed].map(p => (p.startsWith('^') ? p : `^${p}/`)),
  },
});
const thirdParty = (name, packages, allowedFrom) => ({
  name,
  severity: 'error',
  from: { path: '^(portlayer|executors|loaders)/', pathNot: allowedFrom.map(p => `^${p}/`) },
  to: { path: packages.map(p => `node_modules/${p}(/|$)`) },
});
const base = ['portlayer/errors', 'portlayer/model'];

module.exports = {
  forbidden: [
    {
      // Contracts that name each other by type alone (an executor has a mechanism, a mechanism gets an executor) are no cycle at run time.
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'nobody-imports-tests', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
    only('errors-import-nothing', '^portlayer/errors/', []),
    only('model', '^portlayer/model/', ['portlayer/errors']),
    only('lifecycle', '^portlayer/lifecycle/', base),
    only('planner', '^portlayer/planner/', base),
    only('policy', '^portlayer/policy/', base),
    only('plugin', '^portlayer/plugin/', base),
    ...['store', 'catalog', 'relay', 'environments'].map(room =>
      only(room, `^portlayer/${room}/`, [...base, 'portlayer/lifecycle', 'portlayer/plugin']),
    ),
    only('dispatch', '^portlayer/dispatch/', [
      ...base,
      ...['lifecycle', 'planner', 'policy', 'plugin', 'store', 'catalog', 'relay', 'environments'].map(
        r => `portlayer/${r}`,
      ),
    ]),
    only('api', '^portlayer/api/', [...base, 'portlayer/dispatch', 'proto']),
    only('client', '^portlayer/client/', ['portlayer/errors', 'proto']),
    only('cli', '^portlayer/cli/', [
      'portlayer/client',
      'portlayer/errors',
      '^portlayer/(main|package-root)\\.ts',
    ]),
    ...['process', 'container', 'qemu', 'vsphere', 'fake'].map(name =>
      only(`executor-${name}`, `^executors/${name}/`, [
        ...base,
        'portlayer/plugin',
        'portlayer/environments',
      ]),
    ),
    ...['init', 'dmtcp', 'kernel'].map(name =>
      only(`loader-${name}`, `^loaders/${name}/`, [...base, 'portlayer/plugin', 'portlayer/environments']),
    ),
    {
      name: 'only-main-composes',
      severity: 'error',
      from: { path: '^portlayer/', pathNot: '^portlayer/main\\.ts' },
      to: { path: '^(executors|loaders)/' },
    },
    {
      name: 'plugins-through-builtins',
      severity: 'error',
      from: { path: '^portlayer/main\\.ts' },
      to: { path: '^(executors|loaders)/', pathNot: '/builtins\\.ts$' },
    },
    thirdParty(
      'grpc-at-the-edge',
      ['@grpc/', 'grpc-health-check', 'protobufjs'],
      ['portlayer/api', 'portlayer/client'],
    ),
    thirdParty('execa-in-environments', ['execa', 'ssh2'], ['portlayer/environments']),
    thirdParty('vsphere-in-its-executor', ['node-vsphere-soap', 'soap'], ['executors/vsphere']),
    thirdParty('sqlite-in-catalog', ['better-sqlite3'], ['portlayer/catalog']),
    thirdParty('tables-in-cli', ['commander', 'cli-table3'], ['portlayer/cli']),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|proto/types)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
