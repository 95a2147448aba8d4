import type { Host } from '../../portlayer/plugin/host.js';

const places = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];

/** The absolute path of a command of the host: the task's PATH must have no say in which one is run. */
export async function findTool(host: Host, name: string): Promise<string | undefined> {
  for (const place of places) if (await host.files.exists(`${place}/${name}`)) return `${place}/${name}`;
  return undefined;
}
