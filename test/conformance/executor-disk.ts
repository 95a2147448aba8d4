import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, deadline } from './bench.js';
import { rejection } from './rejection.js';

const count = 'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; cat n';

/** Writable layers: kept, frozen, stacked, folded. */
export function diskChecks(bench: () => Bench): void {
  describe('writable layers', () => {
    it('keeps the writable layer over a further start, and throws it away on discard', async () => {
      const { uid } = await bench().run(`cd "$PORTLAYER_STATE"; ${count}`);
      await bench().start(`cd "$PORTLAYER_STATE"; ${count}`, { uid });
      await bench().wait(uid);
      assert.match(await bench().output(uid), /2\n$/);
      await bench().executor.disk.discard(uid);
      await bench().executor.disk.discard(uid);
      await bench().start(`cd "$PORTLAYER_STATE"; ${count}`, { uid });
      await bench().wait(uid);
      assert.match(await bench().output(uid), /1\n$/);
    });

    it('restores what was frozen, and two branches of it do not see each other', async () => {
      const { disk } = bench().executor;
      const layer = bench().layer();
      const { uid } = await bench().run(
        'cd "$PORTLAYER_STATE"; mkdir -p d; echo base > d/f; ln -s f d/l; echo gone > d/g',
      );
      await disk.freeze(uid, layer);
      await disk.freeze(uid, layer);
      const look = 'cd "$PORTLAYER_STATE"; cat d/l; ls -x d';
      const one = await bench().run(`${look}; rm d/g; echo one > d/f`, { layers: [layer] });
      const two = await bench().run(look, { layers: [layer] });
      assert.equal(one.output, 'base\nf  g  l\n');
      assert.equal(two.output, 'base\nf  g  l\n');
      const next = bench().layer();
      await disk.freeze(one.uid, next);
      const three = await bench().run(look, { layers: [layer, next] });
      assert.equal(three.output, 'one\nf  l\n');
    });

    it('begins with a new, empty writable layer after a freeze', async () => {
      const { disk } = bench().executor;
      const [a, b] = [bench().layer(), bench().layer()];
      const { uid } = await bench().run(`cd "$PORTLAYER_STATE"; ${count}`);
      await disk.freeze(uid, a);
      await bench().start(`cd "$PORTLAYER_STATE"; ${count}`, { uid, layers: [a] });
      await bench().wait(uid);
      await disk.freeze(uid, b);
      assert.equal((await bench().run('cat "$PORTLAYER_STATE"/n', { layers: [a, b] })).output, '2\n');
      assert.equal((await bench().run('cat "$PORTLAYER_STATE"/n', { layers: [a] })).output, '1\n');
    });

    it('describes a layer by a digest that follows its content and nothing else', async () => {
      const { disk } = bench().executor;
      const make = async (text: string) => {
        const layer = bench().layer();
        const { uid } = await bench().run(`cd "$PORTLAYER_STATE"; printf ${text} > f`);
        await disk.freeze(uid, layer);
        await disk.sync(layer);
        return disk.describe(layer);
      };
      const [first, same, other] = [await make('abc'), await make('abc'), await make('abd')];
      assert.match(first.digest, /^sha256:[0-9a-f]{64}$/);
      if (bench().comparesFiles) assert.equal(first.digest, same.digest);
      assert.notEqual(first.digest, other.digest);
      assert.ok(first.entries >= 1 && first.bytes >= 3);
    });

    it('stacks forty layers, and folds them into one that reads the same', async function () {
      this.timeout(120_000);
      const { disk } = bench().executor;
      const layers: string[] = [];
      let uid: string | undefined;
      for (let i = 0; i < 40; i++) {
        const options = uid === undefined ? { layers: [...layers] } : { uid, layers: [...layers] };
        uid = await bench().start(
          `cd "$PORTLAYER_STATE"; ${count}; echo ${i} > f${i}; rm -f f${i - 5}`,
          options,
        );
        assert.equal((await bench().wait(uid)).code, 0, await bench().output(uid));
        const layer = bench().layer();
        await disk.freeze(uid, layer);
        layers.push(layer);
      }
      const look = 'cd "$PORTLAYER_STATE"; cat n; ls | tr "\\n" " "';
      const chain = await bench().run(look, { layers });
      assert.match(chain.output, /^40\nf35 f36 f37 f38 f39 n /);
      const folded = bench().layer();
      await disk.fold(layers.slice(0, 39), folded);
      await disk.fold(layers.slice(0, 39), folded);
      const after = await bench().run(look, { layers: [folded, layers[39] as string] });
      assert.equal(after.output, chain.output);
      assert.equal((await bench().run(look, { layers })).output, chain.output, 'the sources are whole');
    });

    it('packs a layer into a file that is always the same, and makes the same layer of it again', async function () {
      const { disk } = bench().executor;
      if (!disk.packing) return this.skip();
      const directory = await mkdtemp(join(tmpdir(), 'portlayer-pack-'));
      try {
        const layer = bench().layer();
        const make =
          'mkdir -p d/e; echo text > d/f; ln d/f d/g; ln -s f d/l; mkfifo pipe; chmod 600 d/f; mkdir -m 0711 shut; ' +
          'dd if=/dev/zero of=large bs=1024 count=100 2>/dev/null; touch "$(printf \'x\\376\')"; ' +
          'touch "$(printf %0120d 0)"; echo gone > gone';
        const base = bench().layer();
        const { uid } = await bench().run(`cd "$PORTLAYER_STATE"; ${make}`);
        await disk.freeze(uid, base);
        await bench().start('cd "$PORTLAYER_STATE"; rm gone; echo more >> d/f', { uid, layers: [base] });
        await bench().wait(uid);
        await disk.freeze(uid, layer);
        const before = await disk.describe(layer);
        const [first, second] = [join(directory, 'a'), join(directory, 'b')];
        const kind = await disk.packing.pack(layer, first);
        assert.equal(await disk.packing.pack(layer, second), kind);
        assert.ok((await readFile(first)).equals(await readFile(second)));
        await disk.remove(layer);
        assert.equal(await disk.packing.isThere(layer), false);
        await disk.packing.unpack(layer, first, kind);
        await disk.packing.unpack(layer, first, kind);
        assert.equal(await disk.packing.isThere(layer), true);
        assert.deepEqual(await disk.describe(layer), before);
        const look = 'cd "$PORTLAYER_STATE"; cat d/f; test -e gone && echo still; ls d';
        assert.equal((await bench().run(look, { layers: [base, layer] })).output, 'text\nmore\ne\nf\ng\nl\n');
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    it('lists and removes layers, and does not mind removing one twice', async () => {
      const { disk } = bench().executor;
      const layer = bench().layer();
      const { uid } = await bench().run('true');
      await disk.freeze(uid, layer);
      assert.ok((await disk.list()).includes(layer));
      await disk.remove(layer);
      await disk.remove(layer);
      assert.ok(!(await disk.list()).includes(layer));
      await rejection(disk.describe(layer, deadline()), 'NOT_FOUND');
    });

    it('removes a layer whose task made names and modes to get in the way', async () => {
      const { disk } = bench().executor;
      const layer = bench().layer();
      const script = `cd "$PORTLAYER_STATE"; mkdir -p "a b/$(printf '\\377\\n-rf')"; touch -- "a b/--" "$(printf 'x\\376')"; ln -s /etc out; mkfifo pipe; mkdir shut; touch shut/f; chmod 0 shut`;
      const { uid, exit } = await bench().run(script);
      assert.equal(exit.code, 0);
      await disk.freeze(uid, layer);
      await disk.remove(layer);
      assert.ok(!(await disk.list()).includes(layer));
    });

    for (const name of ['../../etc', '..', 'a/b', '', `x${'y'.repeat(100)}`, 'a\u0000b']) {
      it(`refuses the layer name ${JSON.stringify(name.slice(0, 20))}`, async () => {
        const { disk } = bench().executor;
        await rejection(disk.remove(name), 'INVALID_SPEC');
        await rejection(disk.describe(name), 'INVALID_SPEC');
        const { uid } = await bench().run('true');
        await rejection(disk.freeze(uid, name), 'INVALID_SPEC');
      });
    }
  });
}
