import type { Files, Host } from '../../../../portlayer/plugin/host.js';

/** A host that is a map from path to text: for code that only reads and writes files. */
export interface PaperHost extends Host {
  /** What was written in place, by path. */
  readonly written: ReadonlyMap<string, string>;
}

/** Directories can be made everywhere but below `readOnly`. Whatever else is asked of it throws. */
export function paperHost(
  texts: Readonly<Record<string, string>>,
  options: { readonly uid?: number; readonly readOnly?: readonly string[] } = {},
): PaperHost {
  const written = new Map<string, string>();
  const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  const files: Partial<Files> = {
    async read(path) {
      const text = texts[path];
      if (text === undefined) throw missing(path);
      return Buffer.from(text);
    },
    async exists(path) {
      return path in texts || written.has(path);
    },
    async makeDirectory(path) {
      if (options.readOnly?.some(top => path.startsWith(top)))
        throw Object.assign(new Error('EROFS'), { code: 'EROFS' });
    },
    async writeInPlace(path, text) {
      written.set(path, text);
    },
  };
  const refuse = () => {
    throw new Error('a paper host does only files');
  };
  return {
    name: 'paper',
    stateDirectory: '/state',
    initBinary: '/init',
    uid: options.uid ?? 0,
    gid: 0,
    spawn: refuse,
    run: async () => ({ code: 0, stdout: '', stderr: '' }),
    files: files as Files,
    connect: refuse,
    written,
  };
}
