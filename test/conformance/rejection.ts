import { AssertionError } from 'node:assert';
import { type ErrorCode, PortLayerError } from '../../portlayer/errors/port-layer-error.js';

/** Awaits a promise that must reject with one of `codes`, with a remedy; the error. */
export async function rejection(promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<PortLayerError> {
  const caught = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (caught instanceof PortLayerError && codes.includes(caught.code) && caught.remedy !== undefined)
    return caught;
  const shown =
    caught instanceof PortLayerError ? `${caught.code} (remedy: ${caught.remedy ?? 'none'})` : String(caught);
  throw new AssertionError({
    message: `expected a rejection with ${codes.join(' or ')} and a remedy`,
    actual: shown,
  });
}
