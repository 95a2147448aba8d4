import { createHash } from 'node:crypto';
import { isErrno, PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Place } from '../place.js';

/** One layer of an image layout: an archive on the host, its digest verified. */
export interface LayerBlob {
  readonly path: string;
  /** 64 hex digits. */
  readonly hex: string;
}

interface Descriptor {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly platform?: { readonly architecture?: string; readonly os?: string };
}

/** Longest manifest or index that is read. */
const maxJsonBytes = 4 * 1024 * 1024;
const maxLayers = 100;
const goArchitectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/**
 * The layers of the image in an OCI image layout (image-spec 1.1), lowest first: the one image of this host's
 * architecture. Throws INVALID_SPEC for a layout that breaks the form, a digest that does not match, an image of
 * another architecture, or more than one image.
 */
export async function readLayout(place: Place, layout: string): Promise<readonly LayerBlob[]> {
  const wanted = goArchitectures[place.architecture] ?? place.architecture;
  const index = await readJson(place, `${layout}/index.json`);
  const manifest = await findManifest(place, layout, index, wanted, 0);
  const config = await readBlob(place, layout, descriptorOf(manifest.config));
  if (config.architecture !== undefined && config.architecture !== wanted)
    throw otherArchitecture(String(config.architecture), wanted);
  const layers = Array.isArray(manifest.layers) ? manifest.layers.map(descriptorOf) : [];
  if (layers.length === 0 || layers.length > maxLayers)
    throw malformed(`1 to ${maxLayers} layers`, `${layers.length}`);
  const blobs = layers.map(layer => ({ path: blobPath(layout, layer.digest), hex: hexOf(layer.digest) }));
  const sums = await place.host.run(['sha256sum', '--', ...blobs.map(blob => blob.path)]);
  const found = sums.stdout.split('\n').map(line => line.slice(0, 64));
  const wrong = blobs.find((blob, i) => found[i] !== blob.hex);
  if (wrong)
    throw malformed(
      `a layer with the digest sha256:${wrong.hex}`,
      sums.stderr.trim().slice(0, 200) || 'other content',
    );
  return blobs;
}

type Json = Readonly<Record<string, unknown>>;

async function findManifest(
  place: Place,
  layout: string,
  index: Json,
  wanted: string,
  depth: number,
): Promise<Json> {
  const all = (Array.isArray(index.manifests) ? index.manifests : []).map(descriptorOf);
  const here = all.filter(
    one => one.platform?.architecture === undefined || one.platform.architecture === wanted,
  );
  const only = here[0];
  if (only === undefined)
    throw otherArchitecture(
      all.map(one => one.platform?.architecture ?? '?').join(', ') || 'no image',
      wanted,
    );
  if (here.length > 1) throw malformed('one image for this architecture', `${here.length}`);
  const json = await readBlob(place, layout, only);
  if (!Array.isArray(json.manifests)) return json;
  if (depth >= 2) throw malformed('an index of manifests', 'indexes in indexes');
  return findManifest(place, layout, json, wanted, depth + 1);
}

async function readBlob(place: Place, layout: string, descriptor: Descriptor): Promise<Json> {
  return readJson(place, blobPath(layout, descriptor.digest), hexOf(descriptor.digest));
}

async function readJson(place: Place, path: string, hex?: string): Promise<Json> {
  try {
    if ((await place.host.files.size(path)) > maxJsonBytes)
      throw malformed(`at most ${maxJsonBytes} bytes`, path);
    const bytes = await place.host.files.read(path);
    if (hex !== undefined && createHash('sha256').update(bytes).digest('hex') !== hex)
      throw malformed(`content with the digest sha256:${hex}`, 'other content');
    const value: unknown = JSON.parse(bytes.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
    throw malformed('a JSON object', path);
  } catch (caught) {
    if (caught instanceof SyntaxError) throw malformed('JSON', path);
    if (isErrno(caught) && caught.code === 'ENOENT') throw malformed('a complete layout', `no ${path}`);
    throw caught;
  }
}

function descriptorOf(value: unknown): Descriptor {
  return typeof value === 'object' && value !== null ? (value as Descriptor) : {};
}

/** A digest becomes part of a path: nothing but the one algorithm and its digits. */
function hexOf(digest: string | undefined): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1];
  if (hex === undefined) throw malformed('digests of sha256', JSON.stringify(String(digest).slice(0, 80)));
  return hex;
}

function blobPath(layout: string, digest: string | undefined): string {
  return `${layout}/blobs/sha256/${hexOf(digest)}`;
}

function otherArchitecture(found: string, wanted: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The image is made for another architecture.', {
    required: wanted,
    found,
    remedy: 'Use an image of this architecture, or another host.',
    facts: { field: 'rootfs' },
  });
}

function malformed(required: string, found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The OCI image layout cannot be used.', {
    required,
    found,
    remedy: 'Make the layout again, for example with: skopeo copy … oci:DIRECTORY',
    facts: { field: 'rootfs' },
  });
}
