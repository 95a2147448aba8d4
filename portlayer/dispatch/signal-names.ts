import { constants } from 'node:os';
import { PortLayerError } from '../errors/port-layer-error.js';

/** The number of a signal given as `SIGTERM`, `TERM` or `15`. Throws INVALID_SPEC. */
export function signalNumber(signal: string): number {
  const number = Number(signal);
  if (/^[0-9]{1,2}$/.test(signal) && number >= 1 && number <= 64) return number;
  const name = signal.startsWith('SIG') ? signal : `SIG${signal}`;
  const known = (constants.signals as Record<string, number | undefined>)[name];
  if (known !== undefined) return known;
  throw new PortLayerError('INVALID_SPEC', `There is no signal ${signal.slice(0, 32)}.`, {
    required: 'a signal by name (SIGTERM, TERM) or number (1 to 64)',
    found: JSON.stringify(signal.slice(0, 32)),
    remedy: 'See the names with: kill -l',
    facts: { field: 'signal' },
  });
}
