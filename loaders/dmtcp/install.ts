import type { Host } from '../../portlayer/plugin/host.js';
import { programs, type UsableDmtcp } from './find-dmtcp.js';

/** What a container is brought of DMTCP: exactly its programs, its library, what these need, and the dynamic tool. */
export interface Install {
  /** The directory on the host. */
  readonly directory: string;
  /** Whether the tool `checkpoint` is in it. */
  readonly tool: boolean;
}

/**
 * Puts DMTCP's files together in a directory of this host's state, once for each build of it: one mount brings them all,
 * and nothing else of the host. Whatever happens to the DMTCP that was found, containers that run keep theirs.
 */
export async function installDmtcp(host: Host, found: UsableDmtcp): Promise<Install> {
  const { files } = host;
  const toolBinary = `${host.initBinary.slice(0, host.initBinary.lastIndexOf('/'))}/checkpoint-dynamic`;
  const tool = await files.exists(toolBinary);
  const toolBytes = tool ? await files.size(toolBinary) : 0;
  const directory = `${host.stateDirectory}/dmtcp/${found.build}-${toolBytes}`;
  if (await files.exists(directory)) return { directory, tool };
  const partial = `${directory}.${Date.now()}.partial`;
  const copy = async (from: string, to: string, name: string) => {
    await files.makeDirectory(`${partial}/${to}`, 0o755);
    const done = await host.run(['cp', '-L', '--', from, `${partial}/${to}/${name}`]);
    if (done.code !== 0) throw new Error(`cp ${from}: ${done.stderr.trim()}`);
  };
  await files.makeDirectory(partial, 0o755);
  try {
    for (const name of programs) await copy(`${found.bin}/${name}`, 'bin', name);
    await copy(`${found.library}/libdmtcp.so`, 'lib/dmtcp', 'libdmtcp.so');
    for (const { name, path } of found.libraries) await copy(path, libraryDirectory(name), name);
    if (tool) await copy(toolBinary, 'tool', 'checkpoint');
    await host.run(['chmod', '-R', 'a+rX', partial]);
    await files.rename(partial, directory);
  } catch (caught) {
    await files.remove(partial);
    if (!(await files.exists(directory))) throw caught; // Else another was first.
  }
  return { directory, tool };
}

/** Below the install: each library in a directory of its own, so that it can be looked for there and no other one is found. */
export function libraryDirectory(name: string): string {
  return `needs/${name}`;
}
