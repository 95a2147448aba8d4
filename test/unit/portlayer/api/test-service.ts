import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../../../../portlayer/api/server.js';
import { type Client, createClient } from '../../../../portlayer/client/client.js';
import type { Dispatch } from '../../../../portlayer/dispatch/dispatch.js';
import { type CallLog, scriptedDispatch } from './scripted-dispatch.js';

/** A real server with a scripted dispatch, and a real client, over a real socket in a directory of its own. */
export interface TestService extends AsyncDisposable {
  readonly directory: string;
  readonly socket: string;
  readonly address: string;
  readonly client: Client;
  readonly calls: CallLog;
  /** What the server logged. */
  readonly logged: string[];
  stop(graceMs?: number): Promise<void>;
}

/** Starts one; `await using` ends it. */
export async function startTestService(script: Partial<Dispatch> = {}): Promise<TestService> {
  const directory = await mkdtemp(join(tmpdir(), 'portlayer-api-'));
  const socket = join(directory, 'p.sock');
  const { dispatch, calls } = scriptedDispatch(script);
  const logged: string[] = [];
  const server = await createApiServer({
    dispatch,
    listen: [{ path: socket }],
    log: message => logged.push(message),
  });
  const address = `unix:${socket}`;
  const client = createClient({ address });
  const stop = (graceMs = 500) => server.stop(graceMs);
  return {
    directory,
    socket,
    address,
    client,
    calls,
    logged,
    stop,
    async [Symbol.asyncDispose]() {
      client.close();
      await stop(50);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
