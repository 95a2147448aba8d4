import { expect } from 'chai';
import { detectCgroups } from '../../../../portlayer/environments/cgroup/cgroup-layout.js';
import { containerGroup } from '../../../../portlayer/environments/cgroup/container-group.js';
import { paperHost } from './paper-host.js';

const v2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n';
const hybrid =
  'cgroup /cg/cpu cgroup rw,relatime,cpu,cpuacct 0 0\ncgroup /cg/freezer cgroup rw,freezer 0 0\n' +
  'cgroup /cg/pids cgroup ro,pids 0 0\ncgroup2 /cg/unified cgroup2 rw 0 0\n';

describe('cgroups of a host', () => {
  it('are v2 with its own freezer', async () => {
    const host = paperHost({
      '/proc/mounts': v2,
      '/sys/fs/cgroup/cgroup.controllers': 'cpu memory pids\n',
      '/sys/fs/cgroup/portlayer/cgroup.freeze': '0',
      '/sys/fs/cgroup/cgroup.subtree_control': '',
      '/sys/fs/cgroup/portlayer/cgroup.subtree_control': '',
    });
    const layout = await detectCgroups(host);
    expect(layout.kind).to.equal('v2');
    expect(layout.writable).to.deep.equal(['cpu', 'freezer', 'memory', 'pids']);
  });

  it('are hybrid: a controller of v1 comes before one of v2, and one that cannot be written is said', async () => {
    const host = paperHost({ '/proc/mounts': hybrid }, { readOnly: ['/cg/pids'] });
    const layout = await detectCgroups(host);
    expect(layout.kind).to.equal('hybrid');
    expect(layout.places.get('freezer')).to.deep.equal({ version: 1, base: '/cg/freezer/portlayer' });
    expect(layout.places.has('pids')).to.equal(false);
    expect(layout.reason).to.match(/memory, pids/);
    expect(layout.remedy).to.be.a('string');
  });

  it("are looked for below the service's own group where it is not root", async () => {
    const host = paperHost(
      {
        '/proc/mounts': v2,
        '/proc/self/cgroup': '0::/user.slice/x.scope\n',
        '/sys/fs/cgroup/user.slice/x.scope/portlayer/cgroup.freeze': '0',
      },
      { uid: 1000 },
    );
    const layout = await detectCgroups(host);
    expect(layout.places.get('freezer')?.base).to.equal('/sys/fs/cgroup/user.slice/x.scope/portlayer');
  });

  it('are none where nothing is mounted', async () => {
    const layout = await detectCgroups(paperHost({ '/proc/mounts': '' }));
    expect([layout.kind, layout.writable]).to.deep.equal(['none', []]);
  });
});

describe('limits of a container', () => {
  const written = async (version: 1 | 2, resources: object) => {
    const host = paperHost({});
    const place = { version, base: '/b' } as const;
    const places = new Map([
      ['cpu', place],
      ['memory', place],
      ['pids', place],
      ['freezer', place],
    ] as const);
    await containerGroup(host, { kind: 'v1', places, writable: [] }, 'U').prepare(resources);
    return Object.fromEntries(host.written);
  };

  it('are written in the words of v1', async () => {
    const knobs = await written(1, { cpus: 0.5, memoryBytes: 5_000_000, pids: 7 });
    expect(knobs['/b/U/cpu.cfs_quota_us']).to.equal('50000');
    expect(knobs['/b/U/memory.limit_in_bytes']).to.equal('5000000');
    expect(knobs['/b/U/pids.max']).to.equal('7');
  });

  it('are written in the words of v2', async () => {
    const knobs = await written(2, { cpus: 1.5, memoryBytes: 5_000_000 });
    expect(knobs['/b/U/cpu.max']).to.equal('150000 100000');
    expect(knobs['/b/U/memory.max']).to.equal('5000000');
    expect(knobs).not.to.have.property('/b/U/pids.max');
  });

  it('never go below what the kernel takes', async () => {
    expect((await written(1, { cpus: 0.001 }))['/b/U/cpu.cfs_quota_us']).to.equal('1000');
  });
});
