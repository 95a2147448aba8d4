import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { newer, parseLdd } from '../../../../loaders/dmtcp/libraries.js';
import { imageName, parseCommand } from '../../../../loaders/dmtcp/parse-command.js';
import { packageRoot } from '../../../../portlayer/package-root.js';

// Outputs of dmtcp_command and ldd as DMTCP 5.0 of July 2026 gave them on Debian 12, each with its exit code.
const recorded = (name: string) => readFileSync(join(packageRoot(), 'test/recorded/dmtcp', name), 'utf8');
const answer = (name: string, code = 0) =>
  parseCommand({ code, stdout: recorded(`${name}.out`), stderr: recorded(`${name}.err`) });

describe('recorded outputs of dmtcp_command', () => {
  for (const form of ['json', 'text']) {
    it(`a list, as ${form}: programs, both pids, ids and states`, () => {
      const { status, peers, count } = answer(`list-${form}`);
      expect([status, count]).to.deep.equal(['DMT_COORD_SUCCESS', 3]);
      expect(peers.map(({ program, virtualPid, state }) => [program, virtualPid, state])).to.deep.equal([
        ['bash', 40000, 'RUNNING'],
        ['python3.11', 41000, 'RUNNING'],
        ['cat', 42000, 'RUNNING'],
      ]);
      expect(peers.every(peer => peer.pid > 1 && peer.pid < 40000)).to.equal(true);
      expect(imageName(peers[0]!)).to.equal(`ckpt_bash_${peers[0]?.id}.dmtcp`);
    });

    it(`a status, as ${form}`, () => {
      expect(answer(`status-${form}`)).to.deep.include({
        status: 'DMT_COORD_SUCCESS',
        count: 3,
        running: true,
      });
    });

    it(`a checkpoint that was taken, as ${form}`, () => {
      expect(answer(`checkpoint-${form}`).status).to.equal('DMT_COORD_SUCCESS');
    });

    it(`no coordinator, and one without processes, as ${form}`, () => {
      expect(answer(`not-found-${form}`, 2).status).to.equal('DMT_COORD_NOT_FOUND');
      expect(answer(`no-peers-${form}`, 2).status).to.equal('DMT_COORD_NOT_RUNNING');
    });

    it(`an empty port is no answer, as ${form}`, () => {
      expect(answer(`empty-port-${form}`, 99).status).to.equal('');
    });
  }

  it('help that comes with success is no answer', () => {
    expect(answer('port-missing-json').status).to.equal('');
    expect(
      parseCommand({ code: 0, stdout: 'Usage:  dmtcp_command [OPTIONS]\n', stderr: '' }).status,
    ).to.equal('');
  });

  it('a list of nobody', () => {
    expect(answer('no-peers-list-json')).to.deep.include({
      status: 'DMT_COORD_SUCCESS',
      peers: [],
      count: 0,
    });
  });

  it('whatever a program calls itself, its line is read, and half a line is none', () => {
    const line = '1, a, [1:2]@x[40000:17]@host, 1-40000-2, WorkerState::RUNNING, \n2, b[4:5]@host, 1-4';
    const { peers } = parseCommand({ code: 0, stdout: line, stderr: '' });
    expect(peers).to.deep.equal([
      { program: 'a, [1:2]@x', virtualPid: 40000, pid: 17, id: '1-40000-2', state: 'RUNNING' },
    ]);
    expect(parseCommand({ code: 0, stdout: '{"command_status":', stderr: '' }).status).to.equal('');
  });
});

describe('recorded outputs of ldd', () => {
  it('what is brought is all but glibc; what is needed of glibc is what the file itself needs', () => {
    for (const file of ['ldd-libdmtcp.out', 'ldd-launch.out']) {
      const { libraries, glibc, missing } = parseLdd(recorded(file));
      const names = libraries.map(library => library.name).sort();
      expect(names).to.deep.equal(['libatomic.so.1', 'libgcc_s.so.1', 'libstdc++.so.6']);
      expect([glibc, missing]).to.deep.equal(['2.34', []]);
    }
  });

  it('a missing library is named', () => {
    const text = '\tlibatomic.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n';
    expect(parseLdd(text)).to.deep.equal({ libraries: [], glibc: '', missing: ['libatomic.so.1'] });
  });

  it('versions are compared by number', () => {
    expect([newer('2.36', '2.4'), newer('2.4', '2.36'), newer('3', '2.99'), newer('5.0', '5')]).to.deep.equal(
      [true, false, true, false],
    );
  });
});
