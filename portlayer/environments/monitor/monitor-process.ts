import { type Host, isUnreachable } from '../../plugin/host.js';

/**
 * The pid of the monitor that keeps `directory`, as long as it lives. A recorded pid counts only while that process's
 * command line still names this directory: pids are used again. Throws EXECUTOR_UNAVAILABLE where the host cannot be asked.
 */
export async function findMonitor(host: Host, directory: string): Promise<number | undefined> {
  const text = await host.files.read(`${directory}/monitor.pid`).then(String, emptyUnlessCut);
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const argv = (await host.files.read(`/proc/${pid}/cmdline`).then(String, emptyUnlessCut)).split('\0');
  return argv.includes('monitor') && argv.includes(directory) ? pid : undefined;
}

function emptyUnlessCut(caught: unknown): string {
  if (isUnreachable(caught)) throw caught;
  return '';
}
