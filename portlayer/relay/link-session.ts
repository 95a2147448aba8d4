import { PortLayerError } from '../errors/port-layer-error.js';
import type { GuestLink } from '../plugin/executor.js';
import { type Answer, decodeGuestLine, encodeAnswer, type GuestMessage } from './guest-line.js';

/** What becomes of a guest's words. */
export interface LinkEvents {
  /** A message that has not been taken before. */
  message(message: GuestMessage): void;
  /** The guest broke the protocol or flooded; its link was closed. */
  dropped(why: string): void;
  /** The link ended; `dropped` has been called before where that was our doing. */
  closed(): void;
}

/** An open link to one container's init. */
export interface LinkSession {
  answer(answer: Answer): void;
  close(): void;
}

/** Beyond this in one second the guest is flooding: a well-behaved init waits for each answer. */
const MAX_LINES_PER_SECOND = 200;
/** Triggers remembered to recognise repetitions, for each link. */
const REMEMBERED = 1024;

/** Reads a link until it ends: validates, limits, drops repetitions by (incarnation, sequence). */
export function openLinkSession(link: GuestLink, events: LinkEvents): LinkSession {
  const seen = new Set<string>();
  void (async () => {
    let windowStart = Date.now();
    let inWindow = 0;
    try {
      for await (const line of link.lines) {
        const now = Date.now();
        if (now - windowStart >= 1000) [windowStart, inWindow] = [now, 0];
        inWindow += 1;
        if (inWindow > MAX_LINES_PER_SECOND) {
          throw new PortLayerError('RATE_LIMITED', `more than ${MAX_LINES_PER_SECOND} lines in a second`);
        }
        const message = decodeGuestLine(line);
        if (message.word === 'TRIGGER' && repeated(seen, `${message.incarnation}:${message.sequence}`))
          continue;
        events.message(message);
      }
    } catch (caught) {
      const error = PortLayerError.from(caught);
      events.dropped(error.found ?? error.message);
      link.close();
    }
    events.closed();
  })();
  return {
    answer: answer => link.send(encodeAnswer(answer)),
    close: () => link.close(),
  };
}

function repeated(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return true;
  seen.add(key);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value!);
  return false;
}
