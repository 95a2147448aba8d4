import { AsyncLocalStorage } from 'node:async_hooks';

const callers = new AsyncLocalStorage<string>();

/** Does `work` on behalf of somebody: `api`, or `api` with the name of a certificate; the audit says so. */
export function callingAs<T>(who: string, work: () => T): T {
  return callers.run(who, work);
}

/** Who the present call is made for; `api` where nobody said. */
export function caller(): string {
  return callers.getStore() ?? 'api';
}
