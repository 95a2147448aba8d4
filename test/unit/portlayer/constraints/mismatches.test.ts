import { expect } from 'chai';
import fc from 'fast-check';
import { criuConstraints } from '../../../../executors/container/criu/constraints.js';
import { devicesOf } from '../../../../executors/qemu/options.js';
import { vmforkConstraints } from '../../../../executors/qemu/vmfork/constraints.js';
import { exitCodeConstraints } from '../../../../portlayer/dispatch/exit-code.js';
import type { Fingerprint } from '../../../../portlayer/model/capability.js';
import { type Constraint, judgeConstraints } from '../../../../portlayer/model/constraint.js';
import { compileContainerSpec } from '../../../../portlayer/model/container-spec.js';
import { specConstraints } from '../../../../portlayer/model/spec-constraints.js';
import { smallestChanges } from '../../../../portlayer/planner/smallest-change.js';

const CPU =
  'aes,apic,avx,avx2,bmi1,bmi2,constant_tsc,cx16,cx8,fma,fpu,fxsr,hypervisor,lm,mmx,popcnt,rdrand,sha_ni,sse,sse2,sse4_2,xsave';
const print = (level: Fingerprint['level'], name: string, found: Record<string, string>): Fingerprint => ({
  level,
  name,
  health: 'healthy',
  description: 'a test',
  findings: Object.entries(found).map(([key, value]) => ({ key, value })),
});
const place = print('environment', 'local', {
  kernel: '6.1.0-28-amd64',
  architecture: 'x86_64',
  'cpu-features': CPU,
});
const runc = print('executor', 'container', {
  criu: '4.2.1',
  runc: '1.1.5',
  'init-build': '00112233aabbccdd',
  'init-builds': '00112233aabbccdd,ffffffffffffffff',
  'criu-features': 'mem_dirty_track,uffd-noncoop',
});
const machine = compileContainerSpec({ name: 'c', executor: 'qemu', task: { argv: ['x'] } });
const qemu = print('executor', 'qemu', {
  qemu: '7.2.15',
  accelerator: 'kvm',
  machines: 'pc-microvm-7.2,pc-q35-7.2',
  'cpu-models': 'host,max,qemu64',
  devices: `${devicesOf(machine).join(',')},virtio-gpu-pci`,
  disks: 'qcow2',
  'cpu-features': 'aes,sse2',
});
const init = print('loader', 'init', {});
const volumes = [
  { source: '/data', target: '/data' },
  { source: '/etc/app.conf', target: '/etc/app.conf', readOnly: true },
];

/** What a checkpoint by each mechanism requires, and a place that has all of it. */
interface Case {
  readonly constraints: readonly Constraint[];
  readonly facts: Readonly<Record<string, string>>;
}

function caseOf(
  executor: Fingerprint,
  more: Record<string, unknown>,
  capabilities: string,
  own: readonly Constraint[],
  common?: readonly Constraint[],
): Case {
  const spec = compileContainerSpec({
    name: 'c',
    executor: executor.name,
    task: { argv: ['/usr/bin/task'] },
    ...more,
  });
  const all = [...(common ?? specConstraints(spec, { executor: [capabilities] })), ...own];
  const facts: Record<string, string> = { 'environment.layers': 'local' };
  for (const { level, name, findings } of [place, executor, init]) {
    facts[`${level}.name`] = name;
    for (const { key, value } of findings) facts[`${level}.${key}`] = value;
  }
  facts['executor.capabilities'] = `run,writable-layer,${capabilities}`;
  for (const { level, key, required } of all)
    if (key.startsWith('path:') || key === 'rootfs-digest') facts[`${level}.${key}`] = required;
  // A name that an executor gives its constraint beside the common one is the same one.
  return {
    constraints: all.filter((c, i) => all.findIndex(o => o.key === c.key && o.level === c.level) === i),
    facts,
  };
}

const prints = [place, runc, init];
const containerSpec = { rootfs: '/images/base', volumes };
const digest: Constraint = {
  level: 'environment',
  key: 'rootfs-digest',
  relation: 'equal',
  required: `sha256:${'a'.repeat(64)}`,
};
const lazy = compileContainerSpec({
  name: 'c',
  executor: 'container',
  task: { argv: ['x'] },
  executorOptions: { lazyRestore: true },
});
const cases: Readonly<Record<'criu' | 'vmfork' | 'exit-code' | 'exit-code on the host', Case>> = {
  criu: caseOf(runc, containerSpec, 'checkpoint:criu', [...criuConstraints(lazy, prints), digest]),
  vmfork: caseOf(qemu, { loader: 'init', rootfs: '/images/base' }, 'checkpoint:vmfork', [
    ...vmforkConstraints(machine, [place, qemu, init]),
    // What the dump adds of the machine that ran.
    { level: 'executor', key: 'cpu-features', relation: 'superset', required: 'aes,sse2' },
  ]),
  'exit-code': caseOf(
    print('executor', 'process', {}),
    containerSpec,
    'exec',
    [],
    exitCodeConstraints(
      compileContainerSpec({ name: 'c', task: { argv: ['/usr/bin/task'] }, ...containerSpec }),
    ),
  ),
  'exit-code on the host': caseOf(
    print('executor', 'process', {}),
    {},
    'exec',
    [],
    exitCodeConstraints(compileContainerSpec({ name: 'c', task: { argv: ['/usr/bin/task'] } })),
  ),
};

type Row = readonly [
  mechanism: keyof typeof cases,
  what: string,
  fact: string,
  found: string | undefined,
  change: RegExp,
];
const without = (list: string, part: string) =>
  list
    .split(',')
    .filter(each => each !== part)
    .join(',');

/** One fact of a target that fits is changed: exactly its constraint is unmet, and the smallest change is one that names it. */
const MISMATCHES: readonly Row[] = [
  [
    'criu',
    'an older kernel',
    'environment.kernel',
    '5.10.0-33-amd64',
    /kernel .*from 5\.10\.0-33-amd64 to 6\.1 or newer/,
  ],
  ['criu', 'a kernel one minor version older', 'environment.kernel', '6.0.19', /to 6\.1 or newer/],
  ['criu', 'a release candidate of the kernel', 'environment.kernel', '6.1-rc3', /from 6\.1-rc3/],
  ['criu', 'no known kernel', 'environment.kernel', undefined, /from nothing to 6\.1/],
  ['criu', 'a kernel that says no version', 'environment.kernel', 'unknown', /from unknown/],
  [
    'criu',
    'another architecture',
    'environment.architecture',
    'aarch64',
    /architecture .*from aarch64 to x86_64/,
  ],
  ['criu', 'an unknown architecture', 'environment.architecture', undefined, /from nothing to x86_64/],
  ['criu', 'a CPU without AVX2', 'environment.cpu-features', without(CPU, 'avx2'), /a CPU that has avx2 too/],
  ['criu', 'a CPU without SHA', 'environment.cpu-features', without(CPU, 'sha_ni'), /has sha_ni too/],
  ['criu', 'a CPU without FMA', 'environment.cpu-features', without(CPU, 'fma'), /has fma too/],
  [
    'criu',
    'a CPU without two',
    'environment.cpu-features',
    without(without(CPU, 'bmi1'), 'bmi2'),
    /has bmi1, bmi2 too/,
  ],
  ['criu', 'a CPU that tells nothing', 'environment.cpu-features', '', /a CPU that has aes, avx/],
  [
    'criu',
    'a CPU with a name that only begins alike',
    'environment.cpu-features',
    CPU.replace('avx2', 'avx2x'),
    /has avx2 too/,
  ],
  ['criu', 'an older CRIU', 'executor.criu', '4.2', /criu .*from 4\.2 to 4\.2\.1 or newer/],
  ['criu', 'a CRIU of an older major version', 'executor.criu', '3.17.1', /from 3\.17\.1 to 4\.2\.1/],
  ['criu', 'no CRIU', 'executor.criu', 'no', /criu/],
  ['criu', 'an older runc', 'executor.runc', '1.0.3', /runc .*from 1\.0\.3 to 1\.1 or newer/],
  ['criu', 'no runc', 'executor.runc', undefined, /runc/],
  [
    'criu',
    'without the build of the init',
    'executor.init-builds',
    'ffffffffffffffff',
    /00112233aabbccdd \(init-builds\)/,
  ],
  ['criu', 'with no build of any init', 'executor.init-builds', '', /00112233aabbccdd/],
  [
    'criu',
    'a kernel without lazy pages',
    'executor.criu-features',
    'mem_dirty_track',
    /uffd-noncoop \(criu-features\)/,
  ],
  ['criu', 'another executor', 'executor.name', 'process', /Give here the executor container/],
  ['criu', 'another loader', 'loader.name', 'dmtcp', /Give here the loader init/],
  [
    'criu',
    'an executor whose criu is withheld',
    'executor.capabilities',
    'run,writable-layer',
    /checkpoint:criu/,
  ],
  ['criu', 'an executor that can do nothing', 'executor.capabilities', '', /checkpoint:criu/],
  ['criu', 'layers that are elsewhere', 'environment.layers', 'other', /Carry checkpoint CRID to here/],
  ['criu', 'no root file system', 'environment.path:/images/base', undefined, /Put \/images\/base on here/],
  ['criu', 'a volume that is missing', 'environment.path:/data', undefined, /Put \/data on here/],
  [
    'criu',
    'a file volume that is missing',
    'environment.path:/etc/app.conf',
    undefined,
    /Put \/etc\/app\.conf/,
  ],
  [
    'criu',
    'a root file system that has changed',
    'environment.rootfs-digest',
    `sha256:${'b'.repeat(64)}`,
    /Put the root file system back/,
  ],
  [
    'criu',
    'a root file system that cannot be read',
    'environment.rootfs-digest',
    undefined,
    /changed to nothing/,
  ],
  ['vmfork', 'a newer QEMU', 'executor.qemu', '8.0.0', /qemu .*8\.0\.0/],
  ['vmfork', 'an older QEMU', 'executor.qemu', '7.1.0', /qemu/],
  ['vmfork', 'no QEMU', 'executor.qemu', 'no', /qemu/],
  ['vmfork', 'emulation instead of KVM', 'executor.accelerator', 'tcg', /accelerator .*from tcg to kvm/],
  ['vmfork', 'no accelerator known', 'executor.accelerator', undefined, /accelerator/],
  ['vmfork', 'without the machine version', 'executor.machines', 'pc-q35-8.0', /pc-q35-7\.2 \(machines\)/],
  ['vmfork', 'with no machine', 'executor.machines', '', /pc-q35-7\.2/],
  ['vmfork', 'without its CPU model', 'executor.cpu-models', 'max', /qemu64 \(cpu-models\)/],
  ['vmfork', 'without a device', 'executor.devices', 'virtio-gpu-pci', /\(devices\)/],
  ['vmfork', 'without its form of disks', 'executor.disks', 'raw', /qcow2 \(disks\)/],
  ['vmfork', 'without a CPU feature', 'executor.cpu-features', 'sse2', /a CPU that has aes too/],
  ['vmfork', 'another executor', 'executor.name', 'container', /the executor qemu/],
  ['vmfork', 'no root file system', 'environment.path:/images/base', undefined, /Put \/images\/base/],
  ['exit-code', 'another executor', 'executor.name', 'container', /the executor process/],
  ['exit-code', 'no executor', 'executor.name', undefined, /the executor process/],
  ['exit-code', 'another loader', 'loader.name', 'kernel', /the loader init/],
  ['exit-code', 'an executor that freezes no layers', 'executor.capabilities', 'run,exec', /writable-layer/],
  [
    'exit-code',
    'an executor that cannot run',
    'executor.capabilities',
    'writable-layer',
    /run \(capabilities\)/,
  ],
  ['exit-code', 'layers that are elsewhere', 'environment.layers', 'build-2', /Carry checkpoint/],
  ['exit-code', 'no root file system', 'environment.path:/images/base', undefined, /Put \/images\/base/],
  ['exit-code', 'a volume that is missing', 'environment.path:/data', undefined, /Put \/data/],
  [
    'exit-code on the host',
    'no program',
    'environment.path:/usr/bin/task',
    undefined,
    /Put \/usr\/bin\/task/,
  ],
];

const FITS: readonly (readonly [keyof typeof cases, string, string, string])[] = [
  ['criu', 'the next patch of the kernel', 'environment.kernel', '6.1.0-29-amd64'],
  ['criu', 'an earlier patch of the same kernel', 'environment.kernel', '6.1.0-9-amd64'],
  ['criu', 'another flavour of the kernel', 'environment.kernel', '6.1.0-28-cloud-amd64'],
  ['criu', 'a newer kernel', 'environment.kernel', '6.18.5'],
  ['criu', 'a kernel of the next major version', 'environment.kernel', '7.0.0'],
  ['criu', 'a kernel 6.10, which is newer than 6.9', 'environment.kernel', '6.10.2'],
  ['criu', 'a CPU with more', 'environment.cpu-features', `${CPU},avx512f,vaes`],
  [
    'criu',
    'a CPU whose hypervisor says less',
    'environment.cpu-features',
    without(without(CPU, 'hypervisor'), 'constant_tsc'),
  ],
  [
    'criu',
    'the same CPU told in another order',
    'environment.cpu-features',
    CPU.split(',').reverse().join(','),
  ],
  ['criu', 'a newer CRIU', 'executor.criu', '4.10'],
  ['criu', 'a patch of runc', 'executor.runc', '1.1.4'],
  ['criu', 'a newer runc', 'executor.runc', '1.2.0'],
  ['criu', 'more builds of the init', 'executor.init-builds', '00112233aabbccdd,0123456789abcdef'],
  ['criu', 'an executor that can do more', 'executor.capabilities', 'exec,checkpoint:criu,run'],
  ['vmfork', 'more machines', 'executor.machines', 'pc-q35-7.2,pc-q35-8.0'],
  ['exit-code', 'another kernel', 'environment.kernel', '4.19.0'],
  ['exit-code', 'another CPU', 'environment.cpu-features', 'sse2'],
];

describe('constraints of every mechanism', () => {
  const judged = (mechanism: keyof typeof cases, fact: string, found: string | undefined) => {
    const { constraints, facts } = cases[mechanism];
    const { [fact]: _, ...rest } = facts;
    return judgeConstraints(constraints, found === undefined ? rest : { ...rest, [fact]: found });
  };

  for (const [name, { constraints, facts }] of Object.entries(cases)) {
    it(`${name}: are all met where it was taken`, () => {
      expect(judgeConstraints(constraints, facts).filter(v => !v.met)).to.deep.equal([]);
      expect(constraints.length).to.be.above(4);
    });
  }

  it('are held against at least 40 mismatches', () => {
    expect(MISMATCHES.length).to.be.at.least(40);
  });

  for (const [mechanism, what, fact, found, change] of MISMATCHES) {
    it(`${mechanism}: ${what} is named, and nothing else`, () => {
      const verdicts = judged(mechanism, fact, found);
      const unmet = verdicts.filter(v => !v.met);
      expect(unmet.map(v => `${v.level}.${v.key}`)).to.deep.equal([fact]);
      expect(unmet[0]?.found).to.equal(found ?? '');
      expect(unmet[0]?.required).to.not.equal('');
      const changes = smallestChanges(verdicts, { target: 'here', crid: 'CRID', remedies: {} });
      expect(changes).to.have.length(1);
      expect(changes[0]?.what).to.match(change);
    });
  }

  for (const [mechanism, what, fact, found] of FITS) {
    it(`${mechanism}: ${what} is no mismatch`, () => {
      expect(judged(mechanism, fact, found).filter(v => !v.met)).to.deep.equal([]);
    });
  }

  it('never become unmet by more of what a target has', () => {
    const list = fc.uniqueArray(fc.constantFrom('avx512f', 'vaes', 'zz', 'extra'), { minLength: 1 });
    fc.assert(
      fc.property(list, more => {
        const { constraints, facts } = cases.criu;
        for (const fact of ['environment.cpu-features', 'executor.capabilities', 'executor.init-builds']) {
          const richer = { ...facts, [fact]: `${facts[fact]},${more.join(',')}` };
          expect(judgeConstraints(constraints, richer).every(v => v.met)).to.equal(true);
        }
      }),
    );
  });
});

describe('the smallest change', () => {
  const context = { target: 'build-2', crid: 'CRID', remedies: { 'executor.criu': 'apt-get install criu' } };
  const { constraints, facts } = cases.criu;

  it('is none where all is met, and one where the executor is not there at all', () => {
    expect(smallestChanges(judgeConstraints(constraints, facts), context)).to.deep.equal([]);
    const bare = Object.fromEntries(Object.entries(facts).filter(([key]) => !key.startsWith('executor.')));
    const [only, ...others] = smallestChanges(judgeConstraints(constraints, bare), context);
    expect(others).to.deep.equal([]);
    expect(only?.what).to.equal('Give build-2 the executor container.');
    expect(only?.meets).to.include.members(['executor name', 'executor criu', 'executor capabilities']);
  });

  it('is the command that adds what is missing, where the host says one; the capability comes with it', () => {
    const target = { ...facts, 'executor.criu': 'no', 'executor.capabilities': 'run,writable-layer' };
    const changes = smallestChanges(judgeConstraints(constraints, target), context);
    expect(changes.map(change => change.what)).to.deep.equal(['apt-get install criu']);
    expect(changes[0]?.meets).to.have.members(['executor criu', 'executor capabilities']);
  });

  it('is one for each thing that has a cause of its own', () => {
    const target = { ...facts, 'environment.kernel': '5.4.0', 'executor.criu': '4.0' };
    expect(smallestChanges(judgeConstraints(constraints, target), context)).to.have.length(2);
  });
});
