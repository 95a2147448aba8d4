import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { vimFault } from './fault.js';
import { list, plain } from './wire.js';

/** The error for what node-soap calls back with: an error of the transport's as it is, a fault of the API's by its type. */
export function faultFrom(method: string, error: unknown): Error {
  if (error instanceof PortLayerError) return error;
  const fault = bodyOf(error)?.Fault as
    | { faultstring?: unknown; detail?: Record<string, unknown> }
    | undefined;
  if (!fault) {
    // An abort's reason, or an answer that is no SOAP.
    if (error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name)) return error;
    const found = error instanceof Error ? error.message : String(error);
    return vimFault(method, 'SystemError', `no answer of the API: ${found.slice(0, 200)}`);
  }
  const text = plain(fault.faultstring);
  const [name = 'SystemError', detail] =
    Object.entries(fault.detail ?? {}).filter(([key]) => key !== 'attributes')[0] ?? [];
  return vimFault(
    method,
    typeOf(detail) || name.replace(/Fault$/, ''),
    typeof text === 'string' ? text : '',
    wordsOf(detail),
  );
}

/** The error of a task that failed: a LocalizedMethodFault in plain form. */
export function taskFault(method: string, error: unknown): PortLayerError {
  const { fault, localizedMessage } = (error ?? {}) as {
    fault?: { $type?: string };
    localizedMessage?: string;
  };
  return vimFault(method, fault?.$type ?? 'SystemError', String(localizedMessage ?? ''), wordsOf(fault));
}

function bodyOf(error: unknown): Record<string, unknown> | undefined {
  const root = (error as { root?: { Envelope?: { Body?: Record<string, unknown> } } } | undefined)?.root;
  return root?.Envelope?.Body;
}

function typeOf(detail: unknown): string {
  return (plain(detail) as { $type?: string } | undefined)?.$type ?? '';
}

/** The fields of a fault in one line: `name x; object vm-1`. */
function wordsOf(detail: unknown): string {
  const value = plain(detail);
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .filter(([key]) => key !== '$type' && key !== 'faultMessage')
    .map(([key, field]) => `${key} ${list(field).map(words).join(' ')}`)
    .join('; ')
    .slice(0, 300);
}

function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { value: moid, reason } = value as { value?: unknown; reason?: unknown };
  return String(moid ?? reason ?? '…');
}
