/**
 * The suites that any plugin of the port layer can be put through: mocha suites, exported as `portlayer/conformance`.
 * Call them in a mocha test file; each takes a name and a factory for what is tested.
 */
export type { ExecutorSubject } from './bench.js';
export { type EnvironmentSubject, environmentSuite } from './environment-suite.js';
export { executorSuite } from './executor-suite.js';
export { type LoaderSubject, loaderSuite } from './loader-suite.js';
export { mechanismSuite } from './mechanism-suite.js';
