import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createContentDigests } from '../../../../portlayer/environments/local/content-digest.js';

describe('digests of content that may change', () => {
  let directory: string;
  let tree: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-digest-'));
    tree = join(directory, 'tree');
    await mkdir(join(tree, 'sub'), { recursive: true });
    await writeFile(join(tree, 'sub', 'a'), 'one');
    await writeFile(join(tree, 'b'), 'two');
    await symlink('b', join(tree, 'link'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('are the same for the same content, wherever it lies and whenever it was written', async () => {
    const digests = createContentDigests();
    const first = await digests.digest(tree);
    expect(first).to.match(/^sha256:[0-9a-f]{64}$/);
    await utimes(join(tree, 'b'), 1, 1);
    await rename(tree, join(directory, 'moved'));
    expect(await digests.digest(join(directory, 'moved'))).to.equal(first);
    expect(await createContentDigests().digest(join(directory, 'moved'))).to.equal(first);
  });

  const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['content of the same size', () => writeFile(join(tree, 'sub', 'a'), 'eno')],
    ['a mode', () => chmod(join(tree, 'b'), 0o600)],
    ['a name', () => rename(join(tree, 'b'), join(tree, 'c'))],
    ['a further file', () => writeFile(join(tree, 'sub', 'z'), '')],
    ['a file that is gone', () => rm(join(tree, 'sub', 'a'))],
    [
      'where a link leads',
      async () => {
        await rm(join(tree, 'link'));
        await symlink('sub', join(tree, 'link'));
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`notice ${what}`, async () => {
      const digests = createContentDigests();
      const before = await digests.digest(tree);
      expect(await digests.digest(tree)).to.equal(before);
      await change();
      expect(await digests.digest(tree)).to.not.equal(before);
    });
  }

  it('are those of one file too, and follow a link that is asked for itself', async () => {
    const digests = createContentDigests();
    expect(await digests.digest(join(tree, 'link'))).to.equal(await digests.digest(join(tree, 'b')));
    expect(await digests.digest(join(directory, 'none')).catch(caught => caught.code)).to.equal('ENOENT');
  });
});
