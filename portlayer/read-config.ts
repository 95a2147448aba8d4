import { readFile } from 'node:fs/promises';
import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml';
import { PortLayerError } from './errors/port-layer-error.js';
import { checkAgainst } from './model/schema-check.js';

/** Configuration of plugins, by their names: each is checked against its plugin's own schema. */
export type PluginConfig = Readonly<Record<string, unknown>>;

/** One environment beside `local`, as the configuration names it; what else it has is its kind's own. */
export interface EnvironmentEntry extends Readonly<Record<string, unknown>> {
  readonly kind: string;
  /** Configuration of plugins in this environment only; each member replaces the file's own one. */
  readonly plugins?: PluginConfig;
}

/** What a configuration file says. */
export interface ServiceConfig {
  readonly plugins: PluginConfig;
  /** By their names. */
  readonly environments: Readonly<Record<string, EnvironmentEntry>>;
  /** Of the image store; checked where it is used. */
  readonly store?: unknown;
  /** Where a member stands in the file, as `FILE:LINE:COLUMN`; of the nearest member around it that is there. */
  readonly place?: (path: readonly string[]) => string;
}

const environmentsSchema = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['kind'],
    properties: { kind: { type: 'string' }, plugins: { type: 'object' } },
  },
} as const;

/**
 * Reads a configuration file, YAML or JSON: one object, a member for each plugin, `environments`, `store`, and
 * `api`, which `readApiConfig` reads. Throws
 * INVALID_SPEC with the line where it is not there, is not such an object, or names a plugin that there is not.
 *
 * @param known the names of the plugins there are
 */
export async function readConfig(path: string, known: readonly string[]): Promise<ServiceConfig> {
  const { content, place } = parseConfig(path, await read(path));
  const { environments = {}, api: _, store, ...plugins } = content;
  const entries = atPlace(place, ['environments'], () =>
    checkAgainst<ServiceConfig['environments']>(`environments in ${path}`, environmentsSchema, environments),
  );
  requireKnown(place, plugins, known, []);
  for (const [name, entry] of Object.entries(entries))
    requireKnown(place, entry.plugins ?? {}, known, ['environments', name, 'plugins']);
  return { plugins, environments: entries, store, place };
}

/** Runs a check of the member at `path`; the INVALID_SPEC that it throws says where in the file the field stands. */
export function atPlace<T>(
  place: (path: readonly string[]) => string,
  path: readonly string[],
  check: () => T,
): T {
  try {
    return check();
  } catch (caught) {
    if (!(caught instanceof PortLayerError) || caught.code !== 'INVALID_SPEC') throw caught;
    const field = (caught.facts.field ?? '').split('.').filter(Boolean);
    const where = place([...path, ...field]);
    throw new PortLayerError('INVALID_SPEC', `${where}: ${caught.message}`, {
      ...(caught.required === undefined ? {} : { required: caught.required }),
      ...(caught.found === undefined ? {} : { found: caught.found }),
      ...(caught.remedy === undefined ? {} : { remedy: caught.remedy }),
      facts: { ...caught.facts, field: [...path, ...field].join('.'), place: where },
      cause: caught,
    });
  }
}

function requireKnown(
  place: (path: readonly string[]) => string,
  plugins: PluginConfig,
  known: readonly string[],
  path: readonly string[],
): void {
  const stray = Object.keys(plugins).find(name => !known.includes(name));
  if (stray === undefined) return;
  const field = [...path, stray];
  throw new PortLayerError('INVALID_SPEC', `${place(field)}: there is no plugin ${stray}.`, {
    required: `one of ${known.join(', ')}`,
    found: stray,
    remedy: 'Correct the name, or load the plugin with --plugin.',
    facts: { field: field.join('.'), place: place(field) },
  });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The content of a configuration file, and where its members stand: YAML 1.2, of which JSON is a part. Throws INVALID_SPEC with the line. */
export function parseConfig(
  path: string,
  text: string,
): { content: PluginConfig; place: (path: readonly string[]) => string } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [wrong] = document.errors;
  if (wrong) {
    const at = wrong.linePos?.[0];
    throw unreadable(path, wrong.message.split('\n')[0] ?? '', wrong, at && `${path}:${at.line}:${at.col}`);
  }
  if (document.contents !== null && !isMap(document.contents)) throw unreadable(path, 'no object');
  const place = (of: readonly string[]): string => placeIn(path, document, lines, of);
  return { content: (document.toJS() as PluginConfig | null) ?? {}, place };
}

function placeIn(file: string, document: Document, lines: LineCounter, path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const around = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(around) ? around.items.find(item => String(item.key) === path[length - 1]) : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, length), true);
    if (!isNode(node) || !node.range) continue;
    const { line, col } = lines.linePos(node.range[0]);
    return `${file}:${line}:${col}`;
  }
  return file;
}

function unreadable(path: string, found: string, cause?: unknown, place = path): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The configuration ${place} cannot be used.`, {
    required:
      'an object in YAML or JSON with a member for each plugin, for example {"process": {"disk": "copy"}}',
    found,
    remedy: 'Correct the path or the file.',
    facts: { field: 'config', place },
    cause,
  });
}
