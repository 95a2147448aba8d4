import type { Slice } from '../catalog/catalog.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { Page } from './dispatch.js';

/** A page of the API from a slice of the catalog. */
export function pageOf<T>(slice: Slice<T>): Page<T> {
  if (slice.next === undefined) return { items: slice.items };
  return { items: slice.items, nextPageToken: Buffer.from(`1:${slice.next}`).toString('base64url') };
}

/** The key after which a page begins; undefined for the first. Throws INVALID_SPEC for a token that no page gave. */
export function readToken(token: string | undefined): string | undefined {
  if (token === undefined || token === '') return undefined;
  const text = Buffer.from(token, 'base64url').toString();
  if (token.length <= 200 && /^1:[\x21-\x7e]+$/.test(text)) return text.slice(2);
  throw new PortLayerError('INVALID_SPEC', 'The page token is not one of ours.', {
    required: 'the next_page_token of the page before, unchanged',
    found: JSON.stringify(token.slice(0, 40)),
    remedy: 'Begin again without a token.',
    facts: { field: 'page_token' },
  });
}
