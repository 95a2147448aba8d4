import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VimClient } from '../../../executors/vsphere/vim/client.js';
import { faultOf, isUncertain } from '../../../executors/vsphere/vim/fault.js';
import { readBelow } from '../../../executors/vsphere/vim/properties.js';
import { runTask } from '../../../executors/vsphere/vim/task.js';
import { createTransport, type Transport } from '../../../executors/vsphere/vim/transport.js';
import { watchObject } from '../../../executors/vsphere/vim/watch.js';
import { options, type Ref, ref } from '../../../executors/vsphere/vim/wire.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { startVCenter, type TestVCenter, whyNoVCenter } from '../../vcenter/test-vcenter.js';

describe('the vSphere client', function () {
  this.timeout(60_000);
  let vcenter: TestVCenter;
  let cache: string;
  const open: { vim: VimClient; transport: Transport }[] = [];
  const deadline = () => AbortSignal.timeout(30_000);

  before(async function () {
    const reason = whyNoVCenter();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    vcenter = await startVCenter();
    cache = await mkdtemp(join(tmpdir(), 'portlayer-wsdl-'));
  });
  afterEach(async () => {
    await vcenter?.clearPlan();
    for (const { vim, transport } of open.splice(0)) {
      await vim.logout();
      transport.close();
    }
  });
  after(async () => {
    await vcenter?.stop();
    if (cache !== undefined) await rm(cache, { recursive: true, force: true });
  });

  function client(more: { server?: string; ca?: string | undefined; password?: string } = {}): VimClient {
    const { server = vcenter.server, password = 's3cret' } = more;
    const transport = createTransport(server, 'ca' in more ? more.ca : vcenter.ca);
    const vim = new VimClient(transport, async () => ({ user: 'svc', password }), cache);
    open.push({ vim, transport });
    return vim;
  }
  const error = async (work: Promise<unknown>): Promise<PortLayerError> => {
    const caught = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(caught).to.be.instanceOf(PortLayerError);
    return caught as PortLayerError;
  };
  const machines = async (vim: VimClient) => {
    const { rootFolder } = await vim.content();
    const found = await readBelow(vim, rootFolder, 'VirtualMachine', ['name', 'runtime.powerState']);
    return new Map(found.map(one => [String(one.values.name), one]));
  };
  const running = async (vim: VimClient): Promise<Ref> => (await machines(vim)).get('DC0_C0_RP0_VM1')!.ref;

  it('logs in, and lists what there is', async () => {
    const vim = client();
    expect((await vim.content()).about.apiVersion).to.equal('7.0');
    const all = await machines(vim);
    expect(all.get('portlayer-template')?.values['runtime.powerState']).to.equal('poweredOff');
    expect(all.get('DC0_C0_RP0_VM1')?.values['runtime.powerState']).to.equal('poweredOn');
  });

  it('refuses a wrong password by the name of its fault', async () => {
    const refused = await error(client({ password: 'wrong' }).content());
    expect([refused.code, faultOf(refused)]).to.deep.equal(['EXECUTOR_UNAVAILABLE', 'InvalidLogin']);
    expect(JSON.stringify(refused)).not.to.contain('wrong');
  });

  it('refuses a certificate that nobody vouches for, and leaves the environment of the process alone', async () => {
    const refused = await error(client({ ca: undefined }).content());
    expect(refused.facts.reason).to.equal('certificate');
    expect(process.env.NODE_TLS_REJECT_UNAUTHORIZED).to.equal(undefined);
  });

  it('says that a vCenter is away, and knows that nothing was done', async () => {
    const refused = await error(client({ server: 'localhost:1' }).content());
    expect([refused.code, isUncertain(refused)]).to.deep.equal(['EXECUTOR_UNAVAILABLE', false]);
  });

  it('renews an expired session once for all who wait', async () => {
    const vim = client();
    await vim.content();
    const before = (await vcenter.calls()).Login ?? 0;
    await vcenter.expire();
    await Promise.all(Array.from({ length: 8 }, () => machines(vim)));
    expect((await vcenter.calls()).Login).to.equal(before + 1);
  });

  it('sees a change while it waits, over an expired session and a restart', async () => {
    const vim = client();
    const vm = await running(vim);
    const seen: string[] = [];
    const until = new AbortController();
    const watching = (async () => {
      for await (const values of watchObject(
        vim,
        vm,
        ['config.extraConfig', 'runtime.powerState'],
        until.signal,
      )) {
        for (const { key, value } of values['config.extraConfig'] as { key: string; value: string }[])
          if (key === 'guestinfo.test' && seen.at(-1) !== value) seen.push(value);
        if (seen.length === 3) return;
      }
    })();
    const said = async (count: number) => {
      while (seen.length < count) await new Promise(resolve => setTimeout(resolve, 10));
    };
    await vcenter.guest(vm.value, 'set', 'guestinfo.test', 'one');
    await said(1);
    await vcenter.expire();
    await vcenter.guest(vm.value, 'set', 'guestinfo.test', 'two');
    await said(2);
    await vcenter.restart(300);
    await vcenter.guest(vm.value, 'set', 'guestinfo.test', 'three');
    await watching;
    until.abort();
    expect(seen).to.deep.equal(['one', 'two', 'three']);
  });

  it('ends a wait when its caller gives up', async () => {
    const vim = client();
    const signal = AbortSignal.timeout(200);
    const caught = await (async () => {
      for await (const _ of watchObject(vim, await running(vim), ['name'], signal));
    })().catch((reason: unknown) => reason);
    expect(caught).to.have.property('name', 'TimeoutError');
  });

  it('tells the fault of a task by its type, and what the task made', async () => {
    const vim = client();
    const vm = await running(vim);
    const refused = await error(runTask(vim, 'PowerOnVM_Task', vm, {}, deadline()));
    expect([refused.code, faultOf(refused)]).to.deep.equal(['WRONG_STATE', 'InvalidPowerState']);
    const location = {};
    const spec = { name: 'child', location, config: options({ 'guestinfo.id': 'c1' }) };
    const child = (await runTask(vim, 'InstantClone_Task', vm, { spec }, deadline())) as Ref;
    expect(child.type).to.equal('VirtualMachine');
    const twice = await error(runTask(vim, 'InstantClone_Task', vm, { spec }, deadline()));
    expect([twice.code, faultOf(twice)]).to.deep.equal(['ALREADY_EXISTS', 'DuplicateName']);
    const listed = (await vcenter.machines()).find(one => one.id === child.value);
    expect(listed?.extra['guestinfo.id']).to.equal('c1');
    await runTask(vim, 'PowerOffVM_Task', child, {}, deadline());
    await runTask(vim, 'Destroy_Task', child, {}, deadline());
  });

  it('says that it is not known whether something happened, where the answer was lost', async () => {
    const vim = client();
    const vm = await running(vim);
    await vcenter.plan({ method: 'InstantClone_Task', at: 'drop', fault: 'lost' });
    const spec = { name: 'lost', location: {}, config: options({}) };
    const lost = await error(runTask(vim, 'InstantClone_Task', vm, { spec }, deadline()));
    expect(isUncertain(lost)).to.equal(true);
    const there = (await machines(vim)).get('lost');
    if (there) {
      await runTask(vim, 'PowerOffVM_Task', there.ref, {}, deadline());
      await runTask(vim, 'Destroy_Task', there.ref, {}, deadline());
    }
  });

  it('reads the WSDL once, and then from the disk', async () => {
    await client().content();
    const { WSDL } = await vcenter.calls();
    await client().content();
    expect((await vcenter.calls()).WSDL).to.equal(WSDL);
  });

  it('reads what does not fit one answer page by page', async () => {
    const vim = client();
    const vm = await running(vim);
    const names = Array.from({ length: 120 }, (_, i) => `page-${i}`);
    const made = await Promise.all(
      names.map(name => runTask(vim, 'InstantClone_Task', vm, { spec: { name, location: {} } }, deadline())),
    );
    const { ContinueRetrievePropertiesEx: before = 0 } = await vcenter.calls();
    const all = await machines(vim);
    expect(names.filter(name => !all.has(name))).to.deep.equal([]);
    expect((await vcenter.calls()).ContinueRetrievePropertiesEx).to.be.greaterThan(before);
    expect(new Set(made.map(one => (one as Ref).value)).size).to.equal(names.length);
  });

  it('is refused, and says so, where the server would have elements in another order', async () => {
    const vim = client();
    const device = {
      attributes: { 'xsi:type': 'VirtualSerialPort' },
      key: -1,
      backing: {
        attributes: { 'xsi:type': 'VirtualSerialPortFileBackingInfo' },
        datastore: ref({ type: 'Datastore', value: 'datastore-1' }),
        fileName: '[x] y',
      },
      yieldOnPoll: true,
      controllerKey: 400,
    };
    const spec = { deviceChange: [{ operation: 'add', device }] };
    const refused = await error(vim.call('ReconfigVM_Task', { _this: ref(await running(vim)), spec }));
    expect([refused.code, faultOf(refused)]).to.deep.equal(['INVALID_SPEC', 'InvalidRequest']);
  });
});
