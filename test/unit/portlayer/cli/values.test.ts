import { expect } from 'chai';
import { humanAge, humanSize } from '../../../../portlayer/cli/units.js';
import { parseDuration, parseSize, parseUser } from '../../../../portlayer/cli/values.js';

describe('values on the command line', () => {
  it('sizes are binary, both ways', () => {
    expect(['10', '4k', '512m', '1.5g', '2GiB'].map(parseSize)).to.deep.equal([
      10, 4096, 536_870_912, 1_610_612_736, 2_147_483_648,
    ]);
    expect([0, 1023, 1024, 1_258_291, 5 * 2 ** 40].map(humanSize)).to.deep.equal([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.2 MiB',
      '5.0 TiB',
    ]);
  });

  it('a bare duration is in seconds', () => {
    expect(['2', '500ms', '1.5s', '2m', '1h'].map(parseDuration)).to.deep.equal([
      2000, 500, 1500, 120_000, 3_600_000,
    ]);
  });

  it('ages are short', () => {
    const ago = (seconds: number) => humanAge(new Date(0), seconds * 1000);
    expect([ago(-5), ago(59), ago(125), ago(7200), ago(400_000)]).to.deep.equal([
      '0s',
      '59s',
      '2m',
      '2h',
      '4d',
    ]);
  });

  it('what is not a value is refused', () => {
    for (const parse of [parseSize, parseDuration, parseUser]) expect(() => parse('many')).to.throw();
  });
});
