import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createMachines } from '../../executors/vsphere/machines.js';
import { vcenterOf } from '../../executors/vsphere/vcenter.js';
import { readBelow } from '../../executors/vsphere/vim/properties.js';
import { options, type Ref, ref } from '../../executors/vsphere/vim/wire.js';
import { instantClone } from '../../executors/vsphere/vmfork/instant-clone.js';
import { createTurns } from '../../executors/vsphere/vmfork/turns.js';
import { newUlid } from '../../portlayer/model/ids.js';
import { accessTo, openLab } from '../host/vsphere/subject.js';
import { startVCenter, whyNoVCenter } from '../vcenter/test-vcenter.js';
import { type Bench, type Row, skippedRow } from './row.js';
import { digits, figuresOf, spread, summarize } from './statistics.js';

const CLONES = 20;
const REPEATS = 5;
const MIB = 2 ** 20;

/** Instant Clones against the test vCenter beside the same calls made bare; readiness and memory of the client. */
export const vsphereBench: Bench = {
  name: 'vsphere',
  async run() {
    const reason = whyNoVCenter();
    if (reason !== undefined) return [skippedRow(`${CLONES} Instant Clones at once`, '≤ 1.2', reason)];
    const vcenter = await startVCenter();
    const access = await accessTo(vcenter);
    const before = process.memoryUsage().rss;
    const signal = AbortSignal.timeout(120_000);
    try {
      const first = await openLab(access);
      await vcenterOf(first).vim.content();
      await first[Symbol.asyncDispose]();
      const ready: number[] = [];
      for (let i = 0; i < REPEATS; i++) {
        const began = performance.now();
        const lab = await openLab(access);
        await vcenterOf(lab).vim.call('CurrentTime', { _this: serviceInstance });
        ready.push(performance.now() - began);
        await lab[Symbol.asyncDispose]();
      }
      const lab = await openLab(access);
      const { vim } = vcenterOf(lab);
      const settings = {
        source: 'running',
        clonesAtOnce: CLONES,
        bootMs: 1,
        restoreMs: 1,
        freezeMs: 1,
        taskMs: 60_000,
      } as const;
      const machines = createMachines(vcenterOf(lab), { template: 'DC0_C0_RP0_VM1', ...settings });
      const { rootFolder } = await vim.content();
      const all = await readBelow(vim, rootFolder, 'VirtualMachine', ['name']);
      const source = all.find(one => one.values.name === 'DC0_C0_RP0_VM1')?.ref as Ref;
      await machines.place(signal);
      const turns = createTurns(CLONES);
      const ours: number[] = [];
      const bare: number[] = [];
      for (let i = 0; i < REPEATS; i++) {
        const names = Array.from({ length: CLONES }, newUlid);
        let began = performance.now();
        await Promise.all(
          names.map(id => {
            const request = {
              source,
              name: `o-${id}`,
              key: 'portlayer.uid',
              id,
              config: { 'portlayer.uid': id },
              biosUuid: '',
            };
            return instantClone(machines, turns, request, AbortSignal.timeout(60_000));
          }),
        );
        ours.push(performance.now() - began);
        began = performance.now();
        await Promise.all(names.map(id => bareClone(vim, source, `b-${id}`, id)));
        bare.push(performance.now() - began);
      }
      const rss = (process.memoryUsage().rss - before) / MIB;
      await lab[Symbol.asyncDispose]();
      return [
        row(`${CLONES} Instant Clones at once beside the same calls made bare`, ours, bare),
        {
          what: 'ready to first call, the WSDL cached on disk',
          ours: spread(summarize(ready), 'ms'),
          floor: '-',
          ratio: '-',
          target: '≤ 600 ms',
          reached: summarize(ready).median <= 600,
          figures: figuresOf('ours', summarize(ready)),
        },
        {
          what: 'memory after all that, above the loaded libraries',
          ours: `${digits(rss)} MiB`,
          floor: '-',
          ratio: '-',
          target: '≤ 60 MiB',
          reached: rss <= 60,
          figures: { rssMiB: rss },
        },
      ];
    } finally {
      await vcenter.stop();
      await access.remove();
      await rm(join(access.stateDirectory, 'wsdl'), { recursive: true, force: true });
    }
  },
};

const serviceInstance = ref({ type: 'ServiceInstance', value: 'ServiceInstance' });

/** The call, and its end by asking the task until it has one: what any client must do. */
async function bareClone(
  vim: Awaited<ReturnType<typeof vcenterOf>>['vim'],
  source: Ref,
  name: string,
  id: string,
): Promise<void> {
  const spec = { name, location: {}, config: options({ 'portlayer.uid': id }) };
  const task = (await vim.call('InstantClone_Task', { _this: ref(source), spec })) as Ref;
  const { propertyCollector } = await vim.content();
  const collector = (await vim.call('CreatePropertyCollector', { _this: ref(propertyCollector) })) as Ref;
  const filter = {
    propSet: [{ type: 'Task', pathSet: ['info.state'] }],
    objectSet: [{ obj: ref(task), skip: false }],
  };
  await vim.call('CreateFilter', { _this: ref(collector), spec: filter, partialUpdates: false });
  for (let version = ''; ; ) {
    const options = { maxWaitSeconds: 20 };
    const update = (await vim.call('WaitForUpdatesEx', { _this: ref(collector), version, options })) as
      | { version: string; filterSet?: unknown }
      | undefined;
    if (update && JSON.stringify(update).includes('"success"')) break;
    version = update?.version ?? version;
  }
  await vim.call('DestroyPropertyCollector', { _this: ref(collector) });
}

function row(what: string, ours: readonly number[], floor: readonly number[]): Row {
  const [mine, theirs] = [summarize(ours), summarize(floor)];
  const ratio = mine.median / theirs.median;
  return {
    what,
    ours: spread(mine, 'ms'),
    floor: spread(theirs, 'ms'),
    ratio: digits(ratio),
    target: '≤ 1.2',
    reached: ratio <= 1.2,
    figures: { ...figuresOf('ours', mine), ...figuresOf('floor', theirs) },
  };
}
