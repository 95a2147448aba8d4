/** A shared library that DMTCP needs and that is no part of glibc. */
export interface Library {
  /** As programs name it: `libatomic.so.1`. */
  readonly name: string;
  /** Where this host has it. */
  readonly path: string;
}

/** What `ldd -v` tells of one file. */
export interface Linkage {
  readonly libraries: readonly Library[];
  /** The newest version of glibc's symbols that the file itself needs: `2.34`; empty where it names none. */
  readonly glibc: string;
  /** Libraries that this host does not have. */
  readonly missing: readonly string[];
}

/** Parts of glibc, which a container must have of its own: two of them in one process would not work. */
const ofGlibc = /^(linux-vdso|ld-linux|libc|libm|libpthread|libdl|librt|libresolv|libutil)\b/;

/** Reads the output of `ldd -v FILE`. Pure. */
export function parseLdd(output: string): Linkage {
  const libraries: Library[] = [];
  const missing: string[] = [];
  let glibc = '';
  const [linked = '', versions = ''] = output.split('Version information:');
  for (const line of linked.split('\n')) {
    const [, name = '', path = ''] = /^\s*(\S+) => (.+?)(?: \(0x[0-9a-f]+\))?$/.exec(line) ?? [];
    if (name === '' || ofGlibc.test(name)) continue;
    if (path === 'not found') missing.push(name);
    else libraries.push({ name, path });
  }
  // The first block is the file's own; those of its libraries follow.
  const own = versions.split(/^\t\S.*:$/m)[1] ?? '';
  for (const [, version = ''] of own.matchAll(/libc\.so\.6 \(GLIBC_([\d.]+)\)/g))
    if (glibc === '' || newer(version, glibc)) glibc = version;
  return { libraries, glibc, missing };
}

/** True where version `a` is newer than `b`, part by part. Pure. */
export function newer(a: string, b: string): boolean {
  const [as, bs] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < Math.max(as.length, bs.length); i++) {
    const difference = (as[i] ?? 0) - (bs[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
