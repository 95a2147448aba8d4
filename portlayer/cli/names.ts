import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'bold brisk calm clear cool deft eager fair fond glad keen kind lucid neat quick quiet sharp spry tidy warm'.split(
    ' ',
  );
const NOUNS =
  'ant bee carp crane dove elk finch fox hare heron ibis lark lynx mole otter owl seal stoat tern wren'.split(
    ' ',
  );

/** A name for a container whose caller gave none: `calm-otter-3f2a`. */
export function makeName(): string {
  const pick = (words: readonly string[]) => words[randomInt(words.length)] ?? '';
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${randomInt(0x10000).toString(16).padStart(4, '0')}`;
}
