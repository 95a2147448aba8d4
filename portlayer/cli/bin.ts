#!/usr/bin/env node
import { runProgram } from './program.js';

// The reader of a pipe has gone (`portlayer logs x | head`): nobody is left to write for.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

const code = await runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  cwd: process.cwd(),
  nowMs: Date.now,
  onInterrupt(interrupted) {
    process.on('SIGINT', interrupted);
    return () => process.off('SIGINT', interrupted);
  },
  connect: async options => (await import('../client/client.js')).createClient(options),
  // The whole service: loaded only by the verbs that need it.
  local: async () =>
    (await import('./local-service.js')).loadLocalService(line =>
      process.stderr.write(`${new Date().toISOString()} ${line}\n`),
    ),
});

// Set, not called at once: what is written to a pipe must reach it. An open stdin must not hold the process.
process.exitCode = code;
process.stdin.destroy();
