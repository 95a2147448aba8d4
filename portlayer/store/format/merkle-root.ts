import { hash } from 'node:crypto';
import { HASH_BYTES, PAGE_BYTES } from './page.js';

/** How many children a node has. */
const FAN_OUT = 256;

/** SHA-256 of a page of zeros: the leaf of every page that is stored nowhere. */
export const ZERO_HASH: Buffer = hash('sha256', Buffer.alloc(PAGE_BYTES), 'buffer');

/**
 * The Merkle root over an image's pages, in hex. A leaf is a page's SHA-256, a node that of its level (one byte) and its
 * up to 256 children; the root is the node above all. An image of no pages has the root of no children.
 *
 * @param leaves 32 bytes for each page
 */
export function merkleRoot(leaves: Buffer): string {
  let nodes = leaves;
  for (let level = 1; ; level++) {
    const above: Buffer[] = [];
    for (let at = 0; at < nodes.length || above.length === 0; at += FAN_OUT * HASH_BYTES) {
      const children = nodes.subarray(at, at + FAN_OUT * HASH_BYTES);
      above.push(hash('sha256', Buffer.concat([Buffer.of(level), children]), 'buffer'));
    }
    if (above.length === 1) return above[0]!.toString('hex');
    nodes = Buffer.concat(above);
  }
}
