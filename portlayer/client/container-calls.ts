import { randomUUID } from 'node:crypto';
import type { ContainerState as WireState } from '../../proto/types/portlayer/execution/v1/ContainerState.js';
import type { ExecContainerRequest } from '../../proto/types/portlayer/execution/v1/ExecContainerRequest.js';
import type { ExecutionDefinition } from '../../proto/types/portlayer/execution/v1/Execution.js';
import type { CallOptions, Channel } from './channel.js';
import type {
  Container,
  ContainerChange,
  ContainerExit,
  ContainerQuery,
  ContainerSpec,
  Event,
  ExecCommand,
  ExecOutput,
  LogEntry,
  LogQuery,
  Page,
  Resources,
} from './containers.js';
import { containerOf, dateOf, exitOf, wordOf } from './from-wire.js';
import { durationOf, enumOf, specToWire, timestampOf, triggerToWire } from './to-wire.js';

/** What every mutating call takes. */
export interface MutatingOptions extends CallOptions {
  /** At most 128 characters. A repetition with the same id and content has the first one's result. Default: a new one. */
  readonly requestId?: string;
}

/** The calls on containers, their output and their events. */
export interface ContainerCalls {
  createContainer(spec: ContainerSpec, options?: MutatingOptions): Promise<Container>;
  startContainer(name: string, options?: MutatingOptions): Promise<Container>;
  /** SIGTERM, then SIGKILL after `graceMs` (default 10,000). Resolves when the container is `exited`. */
  stopContainer(name: string, options?: MutatingOptions & { graceMs?: number }): Promise<Container>;
  /** `signal` is a name or a number as text; default SIGKILL. */
  killContainer(name: string, signal?: string, options?: MutatingOptions): Promise<Container>;
  /** Of an absent one: success. `force` ends it first. */
  removeContainer(name: string, options?: MutatingOptions & { force?: boolean }): Promise<void>;
  getContainer(name: string, options?: CallOptions): Promise<Container>;
  listContainers(query?: ContainerQuery, options?: CallOptions): Promise<Page<Container>>;
  /** Resolves when the container is `exited`. */
  waitContainer(name: string, options?: CallOptions): Promise<ContainerExit>;
  streamLogs(name: string, query?: LogQuery, options?: CallOptions): AsyncIterable<LogEntry>;
  execContainer(name: string, command: ExecCommand, options?: CallOptions): AsyncIterable<ExecOutput>;
  /** `cpus` 0 pauses; absent gives back what the spec says. */
  bindContainer(
    name: string,
    resources: Omit<Resources, 'pids'>,
    options?: MutatingOptions,
  ): Promise<Container>;
  /** `generation` is the one the caller saw; another one there is STALE_GENERATION. */
  updateContainer(
    name: string,
    generation: number,
    change: ContainerChange,
    options?: MutatingOptions,
  ): Promise<Container>;
  /** From `since` on (0: from now on), then as they happen unless `follow` is false. */
  streamEvents(query?: { since?: number; follow?: boolean }, options?: CallOptions): AsyncIterable<Event>;
}

/** The container calls over one channel. */
export function containerCalls(channel: Channel, api: ExecutionDefinition): ContainerCalls {
  const one = async (answer: Promise<{ container?: Parameters<typeof containerOf>[0] }>) =>
    containerOf((await answer).container);
  return {
    createContainer: (spec, options) =>
      one(channel.unary(api.CreateContainer, { ...requestIdOf(options), spec: specToWire(spec) }, options)),
    startContainer: (name, options) =>
      one(channel.unary(api.StartContainer, { ...requestIdOf(options), name }, options)),
    stopContainer: (name, options = {}) => {
      const grace = options.graceMs === undefined ? {} : { grace: durationOf(options.graceMs) };
      return one(channel.unary(api.StopContainer, { ...requestIdOf(options), name, ...grace }, options));
    },
    killContainer: (name, signal = '', options = {}) =>
      one(channel.unary(api.KillContainer, { ...requestIdOf(options), name, signal }, options)),
    async removeContainer(name, options = {}) {
      const force = options.force ?? false;
      await channel.unary(api.RemoveContainer, { ...requestIdOf(options), name, force }, options);
    },
    getContainer: (name, options) => one(channel.unary(api.GetContainer, { name }, options)),
    async listContainers(query = {}, options) {
      const { states = [], labels = {}, ...paging } = query;
      const wanted = states.map(state => enumOf<WireState>('CONTAINER_STATE_', state));
      const page = await channel.unary(api.ListContainers, { ...paging, states: wanted, labels }, options);
      return {
        items: page.containers.map(containerOf),
        ...(page.nextPageToken && { nextPageToken: page.nextPageToken }),
      };
    },
    async waitContainer(name, options) {
      return exitOf((await channel.unary(api.WaitContainer, { name }, options)).exit);
    },
    async *streamLogs(name, query = {}, options) {
      const { since, ...same } = query;
      const request = { name, ...same, ...(since && { since: timestampOf(since) }) };
      for await (const { stream, at, text = '', endsLine = false } of channel.streaming(
        api.StreamLogs,
        request,
        options,
      )) {
        yield {
          stream: wordOf<LogEntry['stream']>('OUTPUT_STREAM_', stream),
          at: dateOf(at),
          text,
          endsLine,
        };
      }
    },
    async *execContainer(name, command, options) {
      for await (const answer of channel.duplex(api.ExecContainer, execRequests(name, command), options)) {
        if (answer.stdout) yield { kind: 'stdout', data: answer.stdout };
        else if (answer.stderr) yield { kind: 'stderr', data: answer.stderr };
        else yield { kind: 'exit', code: answer.exitCode ?? 0 };
      }
    },
    bindContainer: (name, resources, options) =>
      one(channel.unary(api.BindContainer, { ...requestIdOf(options), name, ...resources }, options)),
    updateContainer: (name, generation, change, options) => {
      const { labels, trigger, resources, memo } = change;
      const request = {
        ...requestIdOf(options),
        name,
        generation,
        ...(labels && { labels: { labels: { ...labels } } }),
        ...(trigger && { trigger: triggerToWire(trigger) }),
        ...(resources && { resources }),
        ...(memo !== undefined && { memo }),
      };
      return one(channel.unary(api.UpdateContainer, request, options));
    },
    async *streamEvents(query = {}, options) {
      const request = { since: query.since ?? 0, noFollow: query.follow === false };
      for await (const wire of channel.streaming(api.StreamEvents, request, options)) {
        const { sequence = 0, subject = '', id = '', type = '', facts } = wire;
        yield { sequence, at: dateOf(wire.at), subject, id, type, facts };
      }
    },
  };
}

/** The caller's request id, or a new one. */
export function requestIdOf(options: MutatingOptions | undefined): { requestId: string } {
  return { requestId: options?.requestId ?? randomUUID() };
}

async function* execRequests(name: string, command: ExecCommand): AsyncGenerator<ExecContainerRequest> {
  const { stdin, argv, env = {}, ...same } = command;
  yield { start: { ...same, name, argv: [...argv], env: { ...env } } };
  if (stdin) {
    for await (const data of stdin) yield { stdin: Buffer.from(data) };
  }
  yield { stdinEnd: true };
}
