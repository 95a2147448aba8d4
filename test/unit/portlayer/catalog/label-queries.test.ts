import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CheckpointQuery } from '../../../../portlayer/catalog/catalog.js';
import { openCatalog } from '../../../../portlayer/catalog/sqlite-catalog.js';
import { seedCheckpoints } from '../../../bench/seed.js';

describe('lists of checkpoints by label', () => {
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-labels-'));
  before(() => seedCheckpoints(directory, 400));
  after(() => rmSync(directory, { recursive: true, force: true }));

  const cases: Record<string, Omit<CheckpointQuery, 'states' | 'limit'>> = {
    'one label': { labels: { half: '1' } },
    'a frequent and a rare label': { labels: { half: '1', hundred: '7' } },
    'a rare and a frequent label': { labels: { hundred: '7', half: '1' } },
    'labels that exclude each other': { labels: { half: '0', hundred: '7' } },
    'a label of any value': { labels: { thousand: '' } },
    'a label of any value beside one': { labels: { thousand: '', half: '0' } },
    'a label that nothing has': { labels: { absent: '' } },
    'a label within a container': { container: 'job-2', labels: { half: '1' } },
  };

  for (const [what, query] of Object.entries(cases)) {
    it(`find what a look at each record finds, page by page, for ${what}`, () => {
      const catalog = openCatalog(join(directory, 'catalog.db'));
      try {
        const states = ['committed'] as const;
        const all = catalog.checkpoints({ states, limit: 1000 }).items;
        const wanted = all.filter(
          record =>
            (query.container ?? record.container) === record.container &&
            Object.entries(query.labels ?? {}).every(([key, value]) =>
              value === '' ? key in record.labels : record.labels[key] === value,
            ),
        );
        const found: string[] = [];
        for (let after: string | undefined; ; ) {
          const slice = catalog.checkpoints({ ...query, states, limit: 17, ...(after ? { after } : {}) });
          found.push(...slice.items.map(record => record.crid));
          after = slice.next;
          if (after === undefined) break;
        }
        expect(found).to.deep.equal(wanted.map(record => record.crid));
      } finally {
        catalog.close();
      }
    });
  }
});
