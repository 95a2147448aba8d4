import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { connectUnix } from '../../portlayer/environments/local/unix-connect.js';

/** QEMU with no port layer: the floor that ours is held against. */
export interface RawCopy {
  /** From exec of QEMU until the guest has said READY, in milliseconds. */
  readonly ms: number;
  end(): Promise<void>;
}

/** What a raw copy is made of: the command line of a copy of ours, so that the flags are the same. */
export interface RawParts {
  readonly directory: string;
  readonly argv: readonly string[];
  readonly imageDirectory: string;
  /** The overlay that the copies' disks stand on. */
  readonly below: string;
}

let copies = 0;

/** One copy with the same identity work in the guest. Its disk is made before the clock starts. */
export async function rawCopy(parts: RawParts): Promise<RawCopy> {
  const name = `raw${++copies}`;
  const path = (what: string) => join(parts.directory, `${name}.${what}`);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', parts.below, path('qcow2')]);
  const { incarnation } = JSON.parse(readFileSync(join(parts.imageDirectory, 'portlayer.json'), 'utf8')) as {
    incarnation: string;
  };
  const servers = await Promise.all(['control', 'stdout', 'stderr'].map(id => listen(path(id))));
  const ready = answer(servers[0]!, incarnation, name);
  for (const server of servers.slice(1)) server.on('connection', socket => socket.resume());
  const argv = parts.argv.map(part =>
    part
      .replace(/^socket,id=(\w+),fd=\d+$/, (_, id: string) => `socket,id=${id},path=${path(id)}`)
      .replace(/filename=.*disk-\d+\.qcow2/, `filename=${path('qcow2')}`)
      .replace(/^file,id=console,.*/, 'null,id=console')
      .replace(/^unix:.*qmp,/, `unix:${path('qmp')},`),
  );
  const began = performance.now();
  const child = spawn(
    'sh',
    ['-c', 'state=$1; shift; exec "$@" 6<"$state"', 'sh', join(parts.imageDirectory, 'state'), ...argv],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  await Promise.race([
    ready,
    ended.then(() => {
      throw new Error('the raw QEMU ended');
    }),
  ]);
  const ms = performance.now() - began;
  return {
    ms,
    async end() {
      await kill(child, ended);
      for (const server of servers) server.close();
      for (const what of ['qcow2', 'control', 'stdout', 'stderr', 'qmp']) rmSync(path(what), { force: true });
    },
  };
}

/** QEMU's own background-snapshot of a running machine into one file, without splitting; milliseconds. */
export async function rawSnapshot(
  qmpPath: string,
  directory: string,
  live: boolean,
): Promise<{ totalMs: number; pauseMs: number }> {
  // Where also a QEMU that runs as another user can reach it.
  const socket = join(dirname(qmpPath), 'sink');
  const script = `import os,socket,sys
s=socket.socket(socket.AF_UNIX);s.bind(sys.argv[1]);os.chmod(sys.argv[1],0o666);s.listen(1);print('up',flush=True);c,_=s.accept();f=open(sys.argv[2],'wb',0)
while True:
 b=c.recv(1<<20)
 if not b: break
 f.write(b)`;
  const sink = spawn('python3', ['-c', script, socket, join(directory, 'stream')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const done = once(sink, 'exit');
  await once(sink.stdout, 'data');
  const connection = await connectUnix(qmpPath);
  const ask = conversation(connection);
  await ask('qmp_capabilities');
  await ask('migrate-set-capabilities', {
    capabilities: [{ capability: 'background-snapshot', state: live }],
  });
  await ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
  const began = performance.now();
  if (!live) await ask('stop');
  await ask('migrate', { uri: `unix:${socket}` });
  for (let status = ''; status !== 'completed'; status = String((await ask('query-migrate')).status)) {
    if (status === 'failed') {
      sink.kill('SIGKILL');
      throw new Error('the raw snapshot failed');
    }
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  if (!live) await ask('cont');
  const pauseMs = performance.now() - began;
  connection.destroy();
  await done;
  const totalMs = performance.now() - began;
  for (const file of [socket, join(directory, 'stream')]) rmSync(file, { force: true });
  return { totalMs, pauseMs };
}

function conversation(socket: Socket): (command: string, args?: object) => Promise<Record<string, unknown>> {
  const waiting: ((value: Record<string, unknown>) => void)[] = [];
  let rest = '';
  socket.on('data', chunk => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter(Boolean)) {
      const message = JSON.parse(line) as { return?: Record<string, unknown>; error?: { desc: string } };
      if (message.error) throw new Error(message.error.desc);
      if (message.return) waiting.shift()?.(message.return);
    }
  });
  return (execute, args) =>
    new Promise(resolve => {
      waiting.push(resolve);
      socket.write(`${JSON.stringify({ execute, ...(args ? { arguments: args } : {}) })}\n`);
    });
}

async function listen(path: string): Promise<Server> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** Plays bridge and monitor: rings the bell, gives the identity, resolves at READY. */
function answer(server: Server, incarnation: string, name: string): Promise<void> {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  const identity = `gen=${hex(16)} seed=${hex(32)} hostname=${name} machine-id=${hex(16)}`;
  return new Promise(resolve => {
    server.on('connection', socket => {
      let rest = '';
      socket.on('error', () => {});
      socket.write('\nZ\nB\n');
      socket.on('data', chunk => {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.startsWith('L READY')) resolve();
          if (line.startsWith('L FETCH'))
            socket.write(`R ANSWER inc=${incarnation} result=restored value=0 crid=x ${identity}\n`);
          else if (line.startsWith('L ')) socket.write('R OK\n');
        }
      });
    });
  });
}

async function kill(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}

/** The command line of a running process. */
export function argvOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

/** Proportional set size in MiB. Source: `smaps_rollup` in proc(5). */
export function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;
}
