import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { quoteCommand } from '../../../../../portlayer/environments/ssh/quote.js';

describe('the line of a command for another host', () => {
  it('is taken apart by a shell into exactly the arguments it was made of', function () {
    this.timeout(30_000);
    const argument = fc.oneof(
      fc
        .string({ unit: 'binary', maxLength: 40 })
        .filter(text => !text.includes('\0') && Buffer.from(text).toString() === text),
      fc.constantFrom(
        '',
        "'",
        "''",
        '"',
        '\\',
        '\n',
        '$(id)',
        '`id`',
        '-e',
        '*',
        '~',
        'a b',
        '!x',
        '#',
        '=',
        '&;|<>',
      ),
    );
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 8 }), args => {
        const line = quoteCommand(['/usr/bin/printf', '%s\\0', ...args]);
        const said = execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8' });
        assert.deepEqual(said.split('\0').slice(0, -1), args);
      }),
      { numRuns: 60 },
    );
  });

  it('is refused where an argument holds a NUL, or where Linux would refuse its length', () => {
    assert.throws(() => quoteCommand(['a\0b']), { code: 'INVALID_SPEC' });
    assert.throws(() => quoteCommand(['x'.repeat(140_000)]), { code: 'INVALID_SPEC' });
  });
});
