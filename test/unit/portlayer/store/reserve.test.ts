import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { openReserve } from '../../../../portlayer/store/reserve.js';

describe('the reserve', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'portlayer-reserve-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is given up once, for what fails for want of room, and what fails otherwise keeps it', async () => {
    const reserve = openReserve(join(directory, 'reserve'));
    reserve.refill();
    let tries = 0;
    const other = await reserve.use(async () => Promise.reject(new Error('no'))).catch(caught => caught);
    expect(other.message).to.equal('no');
    expect(existsSync(join(directory, 'reserve'))).to.equal(true);
    const full = async (): Promise<string> => {
      tries += 1;
      if (tries === 1) throw new PortLayerError('STORE_FULL', 'full');
      return 'done';
    };
    expect(await reserve.use(full)).to.equal('done');
    expect(existsSync(join(directory, 'reserve'))).to.equal(false);
    tries = 0;
    expect((await reserve.use(full).catch(caught => caught)).code).to.equal('STORE_FULL');
  });

  it('is not taken where it would be the last of the room', function () {
    if (process.getuid?.() !== 0) this.skip();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', directory]);
    try {
      const reserve = openReserve(join(directory, 'reserve'));
      reserve.refill();
      expect(existsSync(join(directory, 'reserve'))).to.equal(false);
      execFileSync('mount', ['-o', 'remount,size=40m', directory]);
      reserve.refill();
      expect(existsSync(join(directory, 'reserve'))).to.equal(true);
      writeFileSync(join(directory, 'x'), 'x');
    } finally {
      execFileSync('umount', [directory]);
    }
  });
});
