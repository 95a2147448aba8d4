import { criuConstraints } from '../../executors/container/criu/constraints.js';
import type { Fingerprint } from '../../portlayer/model/capability.js';
import { judgeConstraints } from '../../portlayer/model/constraint.js';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { specConstraints } from '../../portlayer/model/spec-constraints.js';
import type { Estimate } from '../../portlayer/planner/estimate.js';
import { type Candidate, plan } from '../../portlayer/planner/plan.js';
import { smallestChanges } from '../../portlayer/planner/smallest-change.js';
import type { Bench, Row } from './row.js';
import { figuresOf, spread, summarize } from './statistics.js';

const ENVIRONMENTS = 1000;
const ROUNDS = 200;
const PLAN_MS = 20;
const CHECK_MS = 5;

const levels = [
  ['exit-code', 'task', 'disk'],
  ['dmtcp', 'loader', 'process'],
  ['criu', 'executor', 'process'],
  ['vmfork', 'environment', 'machine'],
] as const;

/** How long the pure parts of a choice take: the plan over many environments, and the check of one checkpoint. */
export const planBench: Bench = {
  name: 'plan',
  async run() {
    return [planRow(), checkRow()];
  },
};

function planRow(): Row {
  const places = Array.from({ length: ENVIRONMENTS }, (_, place) =>
    levels.map(([mechanism, level, preserves], i): Candidate => {
      const around = (value: number) => ({ low: value / 2, likely: value, high: value * 2, samples: 5 });
      const estimate: Estimate = {
        pauseMs: around(5 + ((place * 7 + i * 31) % 300)),
        totalMs: around(500),
        bytes: around(1e7),
        from: 'host',
      };
      return { mechanism, level, preserves, restores: 'elsewhere', keeps: [], loses: [], estimate };
    }),
  );
  const need = { keep: 'process', maxPauseMs: 200, restore: 'elsewhere', fallback: true } as const;
  return timed('plan over 1,000 environments of 4 levels', PLAN_MS, () => {
    for (const candidates of places) plan(candidates, need);
  });
}

function checkRow(): Row {
  const find = (level: Fingerprint['level'], name: string, found: Record<string, string>): Fingerprint => ({
    level,
    name,
    health: 'healthy',
    description: '',
    findings: Object.entries(found).map(([key, value]) => ({ key, value })),
  });
  const features = Array.from({ length: 120 }, (_, i) => (i < 60 ? `avx${i}` : `flag${i}`)).join(',');
  const prints = [
    find('environment', 'local', {
      kernel: '6.1.0-28',
      architecture: 'x86_64',
      'cpu-features': `cx8,${features}`,
    }),
    find('executor', 'container', { criu: '4.2.1', runc: '1.1.5', 'init-build': '0011223344556677' }),
  ];
  const spec = compileContainerSpec({
    name: 'c',
    executor: 'container',
    task: { argv: ['x'] },
    volumes: Array.from({ length: 50 }, (_, i) => ({ source: `/data/${i}`, target: `/data/${i}` })),
  });
  const constraints = [
    ...specConstraints(spec, { executor: ['checkpoint:criu'] }),
    ...criuConstraints(spec, prints),
  ];
  const facts: Record<string, string> = { 'environment.cpu-features': features, 'executor.criu': '3.0' };
  return timed(`check of a checkpoint with ${constraints.length} constraints`, CHECK_MS, () => {
    smallestChanges(judgeConstraints(constraints, facts), { target: 'here', crid: 'CRID', remedies: {} });
  });
}

function timed(what: string, targetMs: number, work: () => void): Row {
  for (let i = 0; i < 20; i++) work();
  const times = Array.from({ length: ROUNDS }, () => {
    // Of the processor, not of the clock: nothing here waits, and a neighbour's load is not ours.
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  const ours = summarize(times);
  return {
    what: `${what}, processor time`,
    ours: spread(ours, 'ms'),
    floor: '-',
    ratio: '-',
    target: `≤ ${targetMs} ms`,
    reached: ours.median <= targetMs,
    figures: figuresOf('oursMs', ours),
  };
}
