import { createHash } from 'node:crypto';
import { PortLayerError } from '../errors/port-layer-error.js';
import { caller } from './caller.js';
import type { Core } from './core.js';

/** Runs mutating calls once for each request id. */
export interface Calls {
  /**
   * Runs `body`, or returns what it returned to the same `requestId` and `content` before, also when that is still
   * under way. Other content under the same id: ALREADY_EXISTS. An empty id: just runs. A failure is not remembered.
   */
  once<T>(requestId: string, method: string, content: unknown, body: () => Promise<T>): Promise<T>;
}

/** Remembers in the catalog what has ended, and in memory what is under way. */
export function createCalls(core: Pick<Core, 'catalog' | 'audit'>): Calls {
  const underWay = new Map<string, { digest: string; result: Promise<unknown> }>();
  return {
    async once<T>(requestId: string, method: string, content: unknown, body: () => Promise<T>): Promise<T> {
      const audited = (): Promise<T> => audit(core, method, content, body);
      if (requestId === '') return audited();
      const digest = createHash('sha256')
        .update(JSON.stringify([method, content]))
        .digest('hex');
      const running = underWay.get(requestId);
      if (running) {
        requireSame(requestId, running.digest, digest);
        return running.result as Promise<T>;
      }
      const before = core.catalog.remembered(requestId);
      if (before) {
        requireSame(requestId, before.digest, digest);
        return before.result as T;
      }
      const result = audited();
      underWay.set(requestId, { digest, result });
      try {
        core.catalog.remember(requestId, { digest, result: await result });
        return await result;
      } finally {
        underWay.delete(requestId);
      }
    },
  };
}

async function audit<T>(
  core: Pick<Core, 'audit'>,
  method: string,
  content: unknown,
  body: () => Promise<T>,
): Promise<T> {
  const on = subjectOf(content);
  try {
    const result = await body();
    core.audit.record({ who: caller(), what: method, on, outcome: 'allowed' });
    return result;
  } catch (caught) {
    const error = PortLayerError.from(caught);
    core.audit.record({
      who: caller(),
      what: method,
      on,
      outcome: 'failed',
      why: `${error.code}: ${error.message}`,
    });
    throw error;
  }
}

function subjectOf(content: unknown): string {
  const { name, checkpoint, container } = (content ?? {}) as Record<string, unknown>;
  return String(name ?? checkpoint ?? container ?? '').slice(0, 140);
}

function requireSame(requestId: string, before: string, now: string): void {
  if (before === now) return;
  throw new PortLayerError('ALREADY_EXISTS', 'This request id was used for another call.', {
    required: 'the same method and content as before',
    found: `request_id ${requestId} with other content`,
    remedy: 'Use a new request id for a new call.',
    facts: { requestId },
  });
}
