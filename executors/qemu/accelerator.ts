import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from '../../portlayer/model/capability.js';
import type { Host } from '../../portlayer/plugin/host.js';

/** How guests run on one host, and how that was found. */
export interface Accelerator {
  readonly name: 'kvm' | 'tcg';
  readonly finding: Finding;
}

/** What the guest of the trial writes to the exit port; QEMU then ends with twice that and one. */
const SAID = 0x10;
const TRIAL_MS = 3000;

/** A boot sector: `mov dx,0x501; mov al,SAID; out dx,al; hlt`. */
function bootSector(): Buffer {
  const sector = Buffer.alloc(1474560);
  Buffer.from([0xba, 0x01, 0x05, 0xb0, SAID, 0xee, 0xf4]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/**
 * KVM where a guest of one sector boots under it within 3 s, else TCG. That /dev/kvm is there proves nothing: where KVM
 * is itself nested, firmware may run by emulation of each instruction. Remembered below `directory` for each kernel and QEMU.
 */
export async function chooseAccelerator(
  host: Host,
  directory: string,
  program: string,
  version: string,
  wanted: 'auto' | 'kvm' | 'tcg',
): Promise<Accelerator> {
  if (wanted !== 'auto')
    return {
      name: wanted,
      finding: { key: 'accelerator', value: wanted, reason: 'set in the configuration' },
    };
  if (!(await host.files.exists('/dev/kvm'))) return tcg('there is no /dev/kvm');
  const release = (await host.files.read('/proc/sys/kernel/osrelease')).toString().trim();
  const memory = `${directory}/accelerator.json`;
  const key = `${release} ${version}`;
  const known = await recall(host, memory, key);
  if (known !== undefined) return known === '' ? kvm() : tcg(known);
  const problem = await tryKvm(host, directory, program);
  await host.files.writeAtomic(memory, JSON.stringify({ key, problem }), 0o600);
  return problem === '' ? kvm() : tcg(problem);
}

/** Empty where a guest booted, else why not. */
async function tryKvm(host: Host, directory: string, program: string): Promise<string> {
  const image = `${directory}/trial.img`;
  await host.files.writeAtomic(image, bootSector(), 0o644);
  const argv = [
    program,
    '-M',
    'pc',
    '-accel',
    'kvm',
    '-m',
    '16',
    '-nodefaults',
    '-display',
    'none',
    '-no-reboot',
  ];
  const child = host.spawn([
    ...argv,
    ...['-drive', `file=${image},format=raw,if=floppy,readonly=on`, '-device', 'isa-debug-exit,iobase=0x501'],
  ]);
  child.stdout.resume();
  child.stderr.resume();
  child.stdin.end();
  const timer = new AbortController();
  const ended = await Promise.race([
    child.exited,
    sleep(TRIAL_MS, undefined, { signal: timer.signal }).catch(() => undefined),
  ]);
  timer.abort();
  if (ended === undefined) child.kill('SIGKILL');
  await child.exited;
  await host.files.remove(image);
  if (ended === undefined) return `a guest of one sector did not boot under KVM within ${TRIAL_MS} ms`;
  return ended.code === 2 * SAID + 1 ? '' : `QEMU with KVM ended with ${ended.code}`;
}

async function recall(host: Host, path: string, key: string): Promise<string | undefined> {
  const text = await host.files.read(path).then(String, () => '');
  if (text === '') return undefined;
  const found = JSON.parse(text) as { key?: unknown; problem?: unknown };
  return found.key === key && typeof found.problem === 'string' ? found.problem : undefined;
}

function kvm(): Accelerator {
  return { name: 'kvm', finding: { key: 'accelerator', value: 'kvm', reason: 'a guest booted under it' } };
}

function tcg(reason: string): Accelerator {
  return { name: 'tcg', finding: { key: 'accelerator', value: 'tcg', reason } };
}
