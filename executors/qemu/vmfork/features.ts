/** Properties of a CPU in QEMU that say how it is made, not what the guest sees of it; the rest are features. */
const OURS =
  /^(check|enforce|migratable|realized|hotpluggable|hotplugged|fill-mtrr-mask|host-cache-info|l3-cache|legacy-|x-|kvm|hv-|lmce|pmu|cpuid-|full-cpuid|vmware-|start-powered-off|tcg-cpuid|unavailable)/;

/**
 * The CPU features that are on among the properties of `query-cpu-model-expansion`, sorted. Names with `_` are QEMU's
 * older spellings of others.
 */
export function featureNames(props: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(props)
    .filter(([name, value]) => value === true && !OURS.test(name) && !name.includes('_'))
    .map(([name]) => name)
    .sort();
}
