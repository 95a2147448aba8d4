import { expect } from 'chai';
import fc from 'fast-check';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { decodeGuestLine, encodeAnswer, encodeValue } from '../../../../portlayer/relay/guest-line.js';

const trigger = 'TRIGGER v=1 inc=0123456789abcdef seq=3 mech=criu timeout-ms=5000 from=socket pid=12';

describe('a guest’s line', () => {
  it('is decoded into its parts', () => {
    expect(decodeGuestLine(`${trigger} label.step=warm%20up label.n=7`)).to.deep.equal({
      word: 'TRIGGER',
      incarnation: '0123456789abcdef',
      sequence: 3,
      mechanism: 'criu',
      timeoutMs: 5000,
      from: 'socket',
      labels: { step: 'warm up', n: '7' },
    });
  });

  for (const [why, line] of [
    ['an unknown word', 'REBOOT v=1 inc=0123456789abcdef'],
    ['no incarnation', 'STARTED v=1'],
    ['an incarnation of another form', 'STARTED v=1 inc=../../etc/passwd'],
    ['a sequence of zero', trigger.replace('seq=3', 'seq=0')],
    ['a sequence that is no number', trigger.replace('seq=3', 'seq=1e3')],
    ['a mechanism with a slash', trigger.replace('criu', '../x')],
    ['a time-out beyond a day', trigger.replace('5000', '99999999999')],
    ['an unknown asker', trigger.replace('socket', 'nobody')],
    ['a label with an illegal name', `${trigger} label.=x`],
    ['a key given twice', `${trigger} seq=4`],
    ['a broken escape', `${trigger} label.a=%G1`],
    ['seventeen labels', `${trigger} ${Array.from({ length: 17 }, (_, i) => `label.k${i}=v`).join(' ')}`],
    ['more than 1,023 characters', `${trigger} label.a=${'x'.repeat(1000)}`],
    ['a control character', `${trigger}\u0007`],
  ] as const) {
    it(`is refused for ${why}`, () => {
      expect(() => decodeGuestLine(line)).to.throw(PortLayerError);
    });
  }

  it('never makes the decoder throw anything but INVALID_SPEC, whatever it holds', () => {
    const lineLike = fc
      .tuple(
        fc.constantFrom('TRIGGER', 'STARTED', 'FAILED', 'READY', 'X'),
        fc.array(fc.tuple(fc.string(), fc.string())),
      )
      .map(([word, pairs]) => `${word} ${pairs.map(([k, v]) => `${k}=${v}`).join(' ')}`);
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 2000 }), lineLike), line => {
        try {
          decodeGuestLine(line);
        } catch (caught) {
          expect(caught).to.be.instanceOf(PortLayerError).and.include({ code: 'INVALID_SPEC' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives back every label value that was encoded', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }).filter(text => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(text)),
        text => {
          const line = `${trigger} label.a=${encodeValue(text)}`;
          const message = decodeGuestLine(line);
          expect(message.word === 'TRIGGER' && message.labels.a).to.equal(text);
        },
      ),
    );
  });

  it('never leaves a control character of a guest in what is kept', () => {
    const message = decodeGuestLine('FAILED v=1 inc=0123456789abcdef what=exec text=%1B%5B31mred%0Aline');
    expect(message.word === 'FAILED' && message.text).to.equal('?[31mred?line');
  });
});

describe('an answer', () => {
  it('fits one line, however long its reason is, and never splits an escape', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3000 }), reason => {
        const line = encodeAnswer({
          incarnation: 'f'.repeat(16),
          sequence: 9,
          result: 'error',
          value: -1,
          reason,
        });
        expect(line.length).to.be.lessThan(1024);
        expect(line).to.match(/^[\x20-\x7e]+$/);
        expect(line).to.not.match(/%(?![0-9A-F]{2})/);
      }),
    );
  });
});
