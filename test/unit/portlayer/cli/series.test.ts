import { expect } from 'chai';
import { checkpointNamed } from '../../../../portlayer/cli/series.js';
import type { Shell } from '../../../../portlayer/cli/shell.js';
import { rejection } from '../../../conformance/rejection.js';

/** A shell whose service has three checkpoints of `web`, newest first, and gives them one by one. */
const shell = {
  client: {
    listCheckpoints: async ({ container, pageToken = '0' }: { container: string; pageToken?: string }) => {
      const all = container === 'web' ? ['THIRD', 'SECOND', 'FIRST'] : [];
      const at = Number(pageToken);
      const items = all.slice(at, at + 1).map(crid => ({ crid }));
      return { items, ...(at + 1 < all.length && { nextPageToken: String(at + 1) }) };
    },
  },
} as unknown as Shell;

describe("a container's checkpoints as a series", () => {
  it('its name is the newest, and NAME~N so many before', async () => {
    expect(await checkpointNamed(shell, 'web')).to.equal('THIRD');
    expect(await checkpointNamed(shell, 'web~1')).to.equal('SECOND');
    expect(await checkpointNamed(shell, 'web~2')).to.equal('FIRST');
  });

  it('what names a checkpoint otherwise is passed on', async () => {
    for (const text of ['01K4XZ6Q0V9J3T8W2R5YB7N1C0', '01K4XZ6Q', 'web:warm', 'a b'])
      expect(await checkpointNamed(shell, text)).to.equal(text);
  });

  it('a series without such a checkpoint is NOT_FOUND, with how many there are', async () => {
    const short = await rejection(checkpointNamed(shell, 'web~3'), 'NOT_FOUND');
    expect(short.found).to.equal('3 checkpoints of web');
    const none = await rejection(checkpointNamed(shell, 'nobody'), 'NOT_FOUND');
    expect(none.remedy).to.equal('List them with: portlayer checkpoint ls --container nobody');
  });
});
