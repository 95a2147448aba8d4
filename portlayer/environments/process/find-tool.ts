import type { Host } from '../../plugin/host.js';

const places = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The absolute path of a command of the host: a task's PATH must have no say in which one is run. `first` are directories looked in before the usual ones. */
export async function findTool(
  host: Host,
  name: string,
  first: readonly string[] = [],
): Promise<string | undefined> {
  for (const place of [...first, ...places])
    if (await host.files.exists(`${place}/${name}`)) return `${place}/${name}`;
  return undefined;
}
