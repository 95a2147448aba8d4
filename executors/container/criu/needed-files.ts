import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import type { ContainerPaths } from '../layout.js';
import type { Place } from '../place.js';
import { readBase } from '../writable-layer.js';
import type { Task } from './tasks.js';

/** A file outside the image that a task had open or mapped at the dump: of a volume, or of the rootfs. */
export interface NeededFile {
  /** Absolute, as the container sees it. */
  readonly path: string;
  /** The source of the volume it is in, at the dump; absent for one of the rootfs. */
  readonly volume?: string;
  /** Absent for a log (written to its end only), which may have grown: CRIU leaves its size out as well. */
  readonly bytes?: number;
  /** Time of its last change, in seconds; absent where a task had it open for writing. */
  readonly changed?: string;
}

const O_ACCMODE = 0o3;
const O_WRONLY = 0o1;
const O_APPEND = 0o2000;
/** So many names are given to one command. */
const batch = 200;

/** How a path was in use: by the strongest of its uses. */
type Use = 'read' | 'written' | 'log';
const rank = { none: 0, read: 1, log: 2, written: 3 } as const;

/** What a restore of these tasks will need beside its image. Legal only while none of them executes. */
export async function neededFiles(
  place: Place,
  paths: ContainerPaths,
  spec: ContainerSpec,
  layers: readonly string[],
  tasks: readonly Task[],
): Promise<readonly NeededFile[]> {
  const uses = await usesOf(
    place.host,
    tasks.map(task => task.pid),
  );
  const base = (await readBase(place, paths)) ?? layers;
  const own = [paths.upper, ...base.map(layer => place.layout.layer(layer))];
  const found = await Promise.all(
    [...uses].map(async ([path, use]) => {
      const volume = volumeOf(spec, path);
      if (!volume && (await anyHas(place.host, own, path))) return undefined; // Part of the image.
      const where = hostPath(spec, path);
      return where === undefined
        ? undefined
        : { path, use, where, ...(volume ? { volume: volume.source } : {}) };
    }),
  );
  const outside = found.filter(one => one !== undefined);
  const facts = await statAll(
    place.host,
    outside.map(({ where }) => where),
  );
  return outside.flatMap(({ path, use, where, ...more }) => {
    const fact = facts.get(where);
    if (!fact) return []; // No file of the host's: a device, or something that the init made.
    const bytes = use === 'log' ? {} : { bytes: fact.bytes };
    return [{ path, ...more, ...bytes, ...(use === 'read' ? { changed: fact.changed } : {}) }];
  });
}

/** Throws CONSTRAINT_UNMET naming each needed file that is gone, has another size, or was changed. */
export async function checkNeeded(
  host: Host,
  spec: ContainerSpec,
  needed: readonly NeededFile[],
): Promise<void> {
  const all = needed.map(file => ({ ...file, where: hostPath(spec, file.path) ?? '' }));
  const facts = await statAll(
    host,
    all.map(({ where }) => where),
  );
  const wrong = all.flatMap(({ path, where, volume, bytes, changed }) => {
    const fact = facts.get(where);
    if (!fact) return [`${path} is gone`];
    if (bytes !== undefined && fact.bytes !== bytes)
      return [`${path} has ${fact.bytes} bytes instead of ${bytes}`];
    // Another volume in its place has files of its own, with times of their own.
    const same = volume === volumeOf(spec, path)?.source;
    return changed === undefined || !same || fact.changed === changed ? [] : [`${path} was changed`];
  });
  if (wrong.length === 0) return;
  throw new PortLayerError('CONSTRAINT_UNMET', 'Files that the image has open are not as they were.', {
    required: `${needed.length} files of volumes and rootfs as at the checkpoint`,
    found: wrong.join('; ').slice(0, 1000),
    remedy: 'Put rootfs and volumes back as they were at the checkpoint. Nothing was started.',
  });
}

/** Every file that the tasks have mapped or open, by the strongest of its uses. One command for all of them. */
async function usesOf(host: Host, pids: readonly number[]): Promise<ReadonlyMap<string, Use>> {
  const uses = new Map<string, Use>();
  const add = (path: string, use: Use) => {
    if (isFile(path) && rank[use] > rank[uses.get(path) ?? 'none']) uses.set(path, use);
  };
  const texts = await Promise.all(
    pids.map(pid => host.files.read(`/proc/${pid}/maps`).then(String, () => '')),
  );
  for (const line of texts.join('\n').split('\n'))
    add(/^\S+ \S+ \S+ \S+ [1-9]\d*\s+(\/.*)$/.exec(line)?.[1] ?? '/dev/', 'read');
  if (pids.length === 0) return uses;
  const directories = pids.map(pid => `/proc/${pid}/fd`);
  const where = ['-maxdepth', '1', '-lname', '/*', '-printf', '%p %l\\0'];
  const links = await host.run(['find', ...directories, ...where]);
  const open = links.stdout.split('\0').flatMap(line => {
    const [, pid, number, path = ''] = /^\/proc\/(\d+)\/fd\/(\d+) (.*)$/s.exec(line) ?? [];
    return number !== undefined && isFile(path) ? [{ info: `/proc/${pid}/fdinfo/${number}`, path }] : [];
  });
  const infos = await Promise.all(open.map(({ info }) => host.files.read(info).then(String, () => '')));
  for (const [i, { path }] of open.entries()) {
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(infos[i] ?? '')?.[1] ?? '0', 8);
    const log = (flags & O_ACCMODE) === O_WRONLY && (flags & O_APPEND) !== 0;
    add(path, log ? 'log' : (flags & O_ACCMODE) !== 0 ? 'written' : 'read');
  }
  return uses;
}

/** Neither deleted, nor of the kernel's file systems, nor what the port layer itself brings. */
function isFile(path: string): boolean {
  return !/ \(deleted\)$|^\/(dev|proc|sys|run\/portlayer)\/|^\/(memfd|SYSV|dev|proc)/.test(path);
}

function volumeOf(spec: ContainerSpec, path: string): ContainerSpec['volumes'][number] | undefined {
  return spec.volumes
    .filter(({ target }) => path === target || path.startsWith(`${target}/`))
    .sort((a, b) => b.target.length - a.target.length)[0];
}

/** Where a path of the container is on its host, as far as the spec says it: in a volume, or in a rootfs that is a directory. */
function hostPath(spec: ContainerSpec, path: string): string | undefined {
  const volume = volumeOf(spec, path);
  if (volume) return `${volume.source}${path.slice(volume.target.length)}`;
  return spec.rootfs === undefined ? undefined : `${spec.rootfs}${path}`;
}

async function anyHas(host: Host, directories: readonly string[], path: string): Promise<boolean> {
  const there = await Promise.all(directories.map(directory => host.files.exists(`${directory}${path}`)));
  return there.includes(true);
}

/** Sizes and times of what is a regular file; what is gone is left out. */
async function statAll(
  host: Host,
  paths: readonly string[],
): Promise<ReadonlyMap<string, { readonly bytes: number; readonly changed: string }>> {
  const facts = new Map<string, { bytes: number; changed: string }>();
  for (let at = 0; at < paths.length; at += batch) {
    const done = await host.run([
      'stat',
      '--printf',
      '%s %.9Y %f %n\\0',
      '--',
      ...paths.slice(at, at + batch),
    ]);
    for (const line of done.stdout.split('\0')) {
      const [, bytes, changed = '', mode = '', path] = /^(\d+) ([\d.]+) ([0-9a-f]+) (.+)$/s.exec(line) ?? [];
      if (path !== undefined && (Number.parseInt(mode, 16) & 0o170000) === 0o100000)
        facts.set(path, { bytes: Number(bytes), changed });
    }
  }
  return facts;
}
