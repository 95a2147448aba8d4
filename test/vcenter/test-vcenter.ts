import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where test/setup/parts/vcenter.sh puts the test vCenter. */
const built = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portlayer/vcenter');

/** One virtual machine as the hypervisor has it. */
export interface Listed {
  readonly id: string;
  readonly name: string;
  readonly power: 'poweredOn' | 'poweredOff' | 'suspended';
  readonly frozen: boolean;
  readonly uuid: string;
  readonly extra: Readonly<Record<string, string>>;
}

/** What is to go wrong, or to take long; see test/vcenter/plan.go. */
export interface Planned {
  readonly method: string;
  readonly at: 'call' | 'task' | 'late' | 'drop';
  readonly fault?: string;
  readonly count?: number;
  readonly ms?: number;
}

/** A running test vCenter, and what can be done to it behind its back. */
export interface TestVCenter {
  /** `localhost:PORT`. */
  readonly server: string;
  readonly ca: string;
  readonly directory: string;
  machines(): Promise<readonly Listed[]>;
  /** How often each method was called. */
  calls(): Promise<Readonly<Record<string, number>>>;
  plan(item: Planned): Promise<void>;
  clearPlan(): Promise<void>;
  /** Every session is over from now on. */
  expire(): Promise<void>;
  /** Away for so many milliseconds, then back with every machine and no session. */
  restart(ms: number): Promise<void>;
  /** What a guest without processes does: `set` a key, `freeze`, or lose its power by `off`. */
  guest(id: string, what: 'set' | 'freeze' | 'off', key?: string, value?: string): Promise<void>;
  stop(): Promise<void>;
}

/** How it is started. */
export interface VCenterOptions {
  readonly apiVersion?: string;
  /** Guests are played by processes: as root only. */
  readonly guests?: boolean;
  /** Copies of each guest that run beside it, to become its clones. */
  readonly spares?: number;
}

/** Why there is no test vCenter here, or undefined. */
export function whyNoVCenter(guests = false): string | undefined {
  if (!existsSync(join(built, 'vcenter')))
    return 'the test vCenter was not built (it needs golang-go and golang-github-vmware-govmomi-dev): sh test/setup/parts/vcenter.sh';
  if (guests && process.geteuid?.() !== 0) return 'played guests need root, for their namespaces';
  return undefined;
}

/** Starts one; it ends with this process at the latest. */
export async function startVCenter(options: VCenterOptions = {}): Promise<TestVCenter> {
  const directory = await mkdtemp(join(tmpdir(), 'portlayer-vcenter-'));
  const guest = fileURLToPath(new URL('../../test/vcenter/guest.sh', import.meta.url));
  const here = existsSync(guest)
    ? guest
    : fileURLToPath(new URL('../../../test/vcenter/guest.sh', import.meta.url));
  const child = spawn(
    join(built, 'vcenter'),
    [
      ...['-directory', directory, '-wsdl', join(built, 'wsdl'), '-api', options.apiVersion ?? '7.0'],
      ...(options.guests ? ['-guest', here, '-spares', String(options.spares ?? 0)] : []),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const said = JSON.parse(await firstLine(child)) as { address: string; control: string; ca: string };
  const ask = async (path: string, query: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(`${said.control}${path}?${new URLSearchParams(query)}`, { method: 'POST' });
    if (!answer.ok) throw new Error(`the test vCenter: ${answer.status} for ${path}`);
    return answer.text();
  };
  return {
    server: `localhost:${said.address.split(':')[1]}`,
    ca: readFileSync(said.ca, 'utf8'),
    directory,
    machines: async () => JSON.parse(await ask('/machines')) as readonly Listed[],
    calls: async () => JSON.parse(await ask('/calls')) as Readonly<Record<string, number>>,
    async plan({ method, at, fault = '', count = 1, ms = 0 }) {
      await ask('/plan', { method, at, fault, count: String(count), ms: String(ms) });
    },
    async clearPlan() {
      await ask('/plan');
    },
    async expire() {
      await ask('/expire');
    },
    async restart(ms) {
      await ask('/restart', { ms: String(ms) });
    },
    async guest(id, what, key = '', value = '') {
      await ask(`/guest/${id}/${what}`, { key, value });
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise(resolve => child.once('exit', resolve));
        child.stdin?.end();
        await ended;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  return new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', code => reject(new Error(`the test vCenter ended with ${code}`)));
    child.once('error', reject);
  });
}
