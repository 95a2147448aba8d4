import assert from 'node:assert/strict';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { PRESERVED } from '../../portlayer/model/fidelity.js';
import type { Mechanism } from '../../portlayer/plugin/mechanism.js';

/** Puts one mechanism through what `portlayer/plugin/mechanism.ts` promises and can be held against it without a container. */
export function mechanismSuite(name: string, subject: () => Promise<Mechanism>): void {
  describe(`mechanism ${name}`, () => {
    let mechanism: Mechanism;
    before(async () => {
      mechanism = await subject();
    });

    it('says in full what it keeps, loses and needs', () => {
      const { preserves, restores, keeps, loses, needs } = mechanism.card;
      assert.ok(PRESERVED.includes(preserves), `preserves: ${preserves}`);
      assert.ok(restores === 'here' || restores === 'elsewhere', `restores: ${restores}`);
      for (const list of [keeps, loses, needs]) for (const text of list) assert.notEqual(text.trim(), '');
      assert.ok(keeps.length > 0 && loses.length > 0);
    });

    it('names constraints purely, each with a value', () => {
      const spec = compileContainerSpec({ name: 'c', task: { argv: ['x'] } });
      const constraints = mechanism.constraints(spec, []);
      assert.deepEqual(constraints, mechanism.constraints(spec, []));
      for (const constraint of constraints) {
        assert.ok(constraint.key !== '' && (constraint.required !== '' || constraint.relation === 'exists'));
      }
    });
  });
}
