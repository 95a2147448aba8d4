import type { Host } from '../../plugin/host.js';

/**
 * The pid of the monitor that keeps `directory`, as long as it lives. A recorded pid counts only while that process's
 * command line still names this directory: pids are used again.
 */
export async function findMonitor(host: Host, directory: string): Promise<number | undefined> {
  const text = await host.files.read(`${directory}/monitor.pid`).then(String, () => '');
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const argv = (await host.files.read(`/proc/${pid}/cmdline`).then(String, () => '')).split('\0');
  return argv.includes('monitor') && argv.includes(directory) ? pid : undefined;
}
