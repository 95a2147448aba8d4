/** The commands that are used, with what they take and give. Source: QEMU QMP Reference Manual, 7.2. */
export interface QmpCommands {
  qmp_capabilities: Command<undefined, object>;
  stop: Command<undefined, object>;
  cont: Command<undefined, object>;
  'query-status': Command<undefined, { readonly running: boolean; readonly status: string }>;
  'blockdev-add': Command<Readonly<Record<string, unknown>>, object>;
  'blockdev-del': Command<{ readonly 'node-name': string }, object>;
  'blockdev-snapshot': Command<{ readonly node: string; readonly overlay: string }, object>;
  'block-commit': Command<
    { readonly device: string; readonly 'job-id': string; readonly 'base-node': string },
    object
  >;
  'query-block': Command<
    undefined,
    readonly { readonly inserted?: Readonly<Record<'node-name', string | undefined>> }[]
  >;
  'query-block-jobs': Command<undefined, readonly { readonly device: string; readonly ready: boolean }[]>;
  'query-named-block-nodes': Command<
    { readonly flat: boolean },
    readonly Readonly<Record<'node-name', string | undefined>>[]
  >;
  'job-complete': Command<{ readonly id: string }, object>;
  'migrate-set-capabilities': Command<
    { readonly capabilities: readonly { readonly capability: string; readonly state: boolean }[] },
    object
  >;
  'query-migrate-capabilities': Command<
    undefined,
    readonly { readonly capability: string; readonly state: boolean }[]
  >;
  'migrate-set-parameters': Command<
    { readonly 'max-bandwidth': number; readonly 'downtime-limit': number },
    object
  >;
  migrate: Command<{ readonly uri: string }, object>;
  migrate_cancel: Command<undefined, object>;
  'migrate-continue': Command<{ readonly state: 'pre-switchover' }, object>;
  'query-migrate': Command<
    undefined,
    {
      readonly status?: string;
      readonly 'error-desc'?: string;
      readonly ram?: { readonly 'dirty-sync-count': number };
    }
  >;
  'query-rx-filter': Command<undefined, readonly { readonly name: string; readonly 'main-mac': string }[]>;
  'query-cpu-model-expansion': Command<
    { readonly type: 'full'; readonly model: { readonly name: string } },
    { readonly model: { readonly props: Readonly<Record<string, unknown>> } }
  >;
}

interface Command<A, R> {
  readonly arguments: A;
  readonly returns: R;
}

/** Something that happened to the machine. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

/** One line of QEMU. */
export type QmpMessage =
  | { readonly QMP: object }
  | QmpEvent
  | { readonly return: unknown; readonly id?: number }
  | { readonly error: { readonly class: string; readonly desc: string }; readonly id?: number };

/** No reply that is asked for is longer. */
const MAX_BYTES = 1024 * 1024;

/** Bytes in, messages out. Throws for what is not JSON, and for a line over 1 MiB. */
export function qmpLines(): (chunk: Buffer) => readonly QmpMessage[] {
  let rest = '';
  return chunk => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_BYTES) throw new Error('a line of more than 1 MiB');
    return lines.filter(line => line.trim() !== '').map(line => JSON.parse(line) as QmpMessage);
  };
}

/** A moment that QEMU told, in milliseconds since 1970, with microseconds behind the point. */
export function momentOf(event: QmpEvent): number {
  return event.timestamp.seconds * 1000 + event.timestamp.microseconds / 1000;
}
