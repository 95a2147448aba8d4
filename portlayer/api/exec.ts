import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import type { ExecContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/ExecContainerRequest.js';
import type { ExecContainerResponse } from '../../proto/types/portlayer/execution/v1/ExecContainerResponse.js';
import type { ExecStart__Output } from '../../proto/types/portlayer/execution/v1/ExecStart.js';
import type { Dispatch } from '../dispatch/dispatch.js';
import { type ApiContext, fail, messageOf, signalOf, writeTo } from './call.js';
import { given, invalid, requiredText } from './from-wire.js';
import { userFromWire } from './spec-from-wire.js';
import type { Decoded } from './strict-decoder.js';

type ExecCall = ServerDuplexStream<Decoded<ExecContainerRequest__Output>, ExecContainerResponse>;

type ExecCommand = Parameters<Dispatch['exec']>[1];
type ExecSession = Awaited<ReturnType<Dispatch['exec']>>;

/** Output goes out in pieces of at most this size, far below the limit of one message. */
const PIECE_BYTES = 65_536;

/** `Execution.ExecContainer`: start, then stdin one way and stdout and stderr the other; the exit code ends it. */
export function execHandlers(context: ApiContext): {
  ExecContainer: handleBidiStreamingCall<Decoded<ExecContainerRequest__Output>, ExecContainerResponse>;
} {
  return {
    ExecContainer: call => {
      exec(context, call).then(
        () => call.end(),
        (caught: unknown) => fail(call, caught, context.log),
      );
    },
  };
}

async function exec({ dispatch }: ApiContext, call: ExecCall): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([signalOf(call), stop.signal]);
  const requests = call.iterator({ destroyOnReturn: false }) as AsyncIterator<
    Decoded<ExecContainerRequest__Output>
  >;
  try {
    const first = await requests.next();
    const start = first.done ? undefined : messageOf(first.value).start;
    if (!start) throw invalid('start', 'in the first message of an exec', 'another message');
    const session = await dispatch.exec(requiredText('start.name', start.name), commandOf(start), signal);
    session.stdin.on('error', () => {}); // The command may end, or close its stdin, before the caller is done.
    // What the caller sends wrong ends the call; what it sends late does not hold it open.
    const refused = new Promise<never>((_resolve, reject) => {
      pumpStdin(requests, session.stdin).catch(reject);
    });
    await Promise.race([refused, pumpOutput(call, session, signal)]);
    const { code } = await Promise.race([refused, session.exited]);
    await writeTo(call, { exitCode: code }, signal);
  } finally {
    stop.abort();
  }
}

function commandOf(start: ExecStart__Output): ExecCommand {
  if (start.argv.length === 0) throw invalid('start.argv', 'a command of at least one word', start.argv);
  return given({
    argv: start.argv,
    env: start.env,
    cwd: start.cwd,
    user: start.user && userFromWire(start.user),
  });
}

async function pumpStdin(
  requests: AsyncIterator<Decoded<ExecContainerRequest__Output>>,
  stdin: NodeJS.WritableStream,
): Promise<void> {
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const request = messageOf(next.value);
    if (request.start) throw invalid('start', 'only in the first message of an exec', 'a second one');
    if (request.stdinEnd) break;
    if (request.stdin && stdin.writable && !stdin.write(request.stdin)) await drained(stdin);
  }
  stdin.end();
}

function drained(stdin: NodeJS.WritableStream): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stdin.off('drain', done).off('close', done);
      resolve();
    };
    stdin.on('drain', done).on('close', done);
  });
}

async function pumpOutput(call: ExecCall, session: ExecSession, signal: AbortSignal): Promise<void> {
  const pump = async (name: 'stdout' | 'stderr') => {
    for await (const chunk of session[name]) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        await writeTo(call, { [name]: chunk.subarray(at, at + PIECE_BYTES) }, signal);
      }
    }
  };
  await Promise.all([pump('stdout'), pump('stderr')]);
}
