import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';

const SIZE = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i;
const POWERS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/;
const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `512m` in bytes; units are binary, as docker's. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = SIZE.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Write a size as 512m or 2g.');
  return Math.round(Number(number) * (POWERS[unit.toLowerCase()] ?? 1));
}

/** `30s`, `500ms`, `2m` in milliseconds; a bare number is seconds, as docker's. */
export function parseDuration(text: string): number {
  const [, number, unit = 's'] = DURATION.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Write a duration as 30s, 500ms or 2m.');
  return Number(number) * (MILLISECONDS[unit] ?? 1000);
}

/** A moment: RFC 3339, or so long ago (`10m`). */
export function parseMoment(text: string): Date {
  const moment = DURATION.test(text) ? new Date(Date.now() - parseDuration(text)) : new Date(text);
  if (Number.isNaN(moment.getTime()))
    throw new InvalidArgumentError('Write a time as 2026-01-02T03:04:05Z or 10m.');
  return moment;
}

/** A whole number of 0 or more. */
export function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}

/** A number of CPUs, with a fraction. */
export function parseCpus(text: string): number {
  if (!/^\d*\.?\d+$/.test(text)) throw new InvalidArgumentError('Write a number, for example 0.5.');
  return Number(text);
}

/** `UID` or `UID:GID`. */
export function parseUser(text: string): { uid: number; gid: number } {
  const [, uid, gid = '0'] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid === undefined) throw new InvalidArgumentError('Write numbers, UID or UID:GID.');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Collects `KEY=VALUE`; a bare label KEY has an empty value. */
export function collectLabel(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const key = at < 0 ? text : text.slice(0, at);
  if (key === '') throw new InvalidArgumentError('Write KEY=VALUE.');
  return { ...before, [key]: at < 0 ? '' : text.slice(at + 1) };
}

/** Collects `KEY=VALUE` with values of any form: numbers, `true`, lists and objects as JSON has them; all else is text. */
export function collectOption(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write KEY=VALUE.');
  const value = text.slice(at + 1);
  try {
    return { ...before, [text.slice(0, at)]: JSON.parse(value) };
  } catch {
    return { ...before, [text.slice(0, at)]: value };
  }
}

/** Collects `KEY=VALUE`; a bare KEY takes its value from this process, as docker's. */
export function collectEnv(text: string, before: Record<string, string> = {}): Record<string, string> {
  if (text.includes('=')) return collectLabel(text, before);
  const value = process.env[text];
  return value === undefined ? before : { ...before, [text]: value };
}

/** Collects the lines of a file as {@link collectEnv} would; empty ones and `#` comments are skipped. */
export function collectEnvFile(path: string, before: Record<string, string> = {}): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (caught) {
    throw new InvalidArgumentError(
      `It cannot be read: ${caught instanceof Error ? caught.message : String(caught)}`,
    );
  }
  const lines = text.split('\n').map(line => line.replace(/\r$/, ''));
  return lines
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
    .reduce((all, line) => collectEnv(line, all), before);
}

/** Collects values of an option that can be given more than once. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
