import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { pruneSchema } from './prune-schema.js';
import type { Transport } from './transport.js';

const ROOT = 'vimService.wsdl';
const DOWNLOAD_MS = 60_000;
/** A vCenter has four or five. */
const MAX_FILES = 20;

/**
 * The path of a vCenter's WSDL on this host: fetched once for each version and build, and cut down to what this program
 * uses, since the whole of it takes a third of a second and some 70 MB of memory to read.
 *
 * @param directory where it is kept
 * @param version what names it
 * @param whole as the vCenter serves it, for one whose WSDL could not be cut down
 */
export async function cachedWsdl(
  transport: Transport,
  directory: string,
  version: string,
  { whole }: { readonly whole: boolean },
  signal?: AbortSignal,
): Promise<string> {
  const place = join(directory, version.replaceAll(/[^A-Za-z0-9.-]/g, '_') + (whole ? '.whole' : ''));
  const there = await namesIn(place);
  if (there.includes(ROOT)) return join(place, ROOT);
  const files = await download(transport, signal);
  const partial = `${place}.${process.pid}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  for (const [name, text] of whole ? files : pruneSchema(files))
    await writeFile(join(partial, name), text, { mode: 0o600 });
  await rm(place, { recursive: true, force: true });
  await rename(partial, place).catch(async caught => {
    // Another service on this host was faster.
    await rm(partial, { recursive: true, force: true });
    if (!(await namesIn(place)).includes(ROOT)) throw caught;
  });
  return join(place, ROOT);
}

async function namesIn(place: string): Promise<readonly string[]> {
  return readdir(place).catch(() => []);
}

async function download(transport: Transport, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const wanted = [ROOT];
  for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
    if (files.has(name)) continue;
    if (files.size === MAX_FILES || !/^[\w.-]+$/.test(name))
      throw strange(transport.server, `a file ${name}`);
    const { status, body } = await transport.send({
      method: 'GET',
      path: `/sdk/${name}`,
      deadlineMs: DOWNLOAD_MS,
      signal,
    });
    if (status !== 200) throw strange(transport.server, `HTTP status ${status} for ${name}`);
    const text = String(body);
    files.set(name, text);
    for (const [, location = ''] of text.matchAll(
      /<(?:\w+:)?(?:import|include)\b[^>]*?(?:schemaLocation|location)="([^"]+)"/g,
    ))
      wanted.push(location);
  }
  return files;
}

function strange(server: string, found: string): PortLayerError {
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    `The server ${server} does not serve the WSDL of a vCenter.`,
    {
      required: `https://${server}/sdk/${ROOT} and the files it imports`,
      found,
      remedy: 'See that the setting server names a vCenter.',
      facts: { server, reason: 'wsdl', fault: 'wsdl' },
    },
  );
}
