/**
 * The closed set of error codes. Each maps to one gRPC status in `portlayer/api/status.ts`
 * and back in `portlayer/client`; no caller ever parses a message.
 */
export const ERROR_CODES = [
  /** A field of a request or a configuration is missing, unknown or out of bounds. Nothing was changed. */
  'INVALID_SPEC',
  /** No object of that name or id. */
  'NOT_FOUND',
  /** An object of that name exists with other content. */
  'ALREADY_EXISTS',
  /** No level that was asked can do this; `facts.found` says what each level offers. */
  'CAPABILITY_MISSING',
  /** Something the checkpoint requires of its target is not there. */
  'CONSTRAINT_UNMET',
  /** The object is in a state in which the call is not legal; `facts.found` names the state. */
  'WRONG_STATE',
  /** Another operation holds this container. Retry with back-off. */
  'OPERATION_PENDING',
  /** The caller saw an older generation of the container than the one that is there. */
  'STALE_GENERATION',
  /** The container's policy forbids its guest this trigger. */
  'TRIGGER_DENIED',
  /** The caller's role does not include this call, or its certificate is not valid. */
  'PERMISSION_DENIED',
  /** The store's file system has no room. Earlier checkpoints are intact. */
  'STORE_FULL',
  /** A configured count or size would be exceeded. */
  'QUOTA_EXCEEDED',
  /** Too many requests in the time allowed. Retry after `facts.retryAfterMs`. */
  'RATE_LIMITED',
  /** The executor, or the host under it, cannot be reached or is unhealthy. */
  'EXECUTOR_UNAVAILABLE',
  /** The task did not come to a consistent point within the bound; it runs on. */
  'QUIESCE_TIMEOUT',
  /** An image, a layer or a manifest does not match its digest. */
  'CHECKPOINT_CORRUPT',
  /** The caller cancelled. What had been begun was undone. */
  'CANCELED',
  /** A defect of this program. The details are in the service's log. */
  'INTERNAL',
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error says beside its message; every value is a string so that it travels as `google.rpc.ErrorInfo` metadata. */
export type ErrorFacts = Readonly<Record<string, string>>;

/** What a thrower fills in. */
export interface ErrorDetails {
  /** What would have been right, in words or as a value. */
  readonly required?: string;
  /** What was there instead. */
  readonly found?: string;
  /** What the reader can do next: a full sentence, mostly with a command. */
  readonly remedy?: string;
  /** Ids, phase, field, and other facts a program may need. */
  readonly facts?: ErrorFacts;
  readonly cause?: unknown;
}

/** The one error class of this project. Thrown everywhere, mapped to a gRPC status in one place. */
export class PortLayerError extends Error {
  override readonly name = 'PortLayerError';
  readonly code: ErrorCode;
  readonly required: string | undefined;
  readonly found: string | undefined;
  readonly remedy: string | undefined;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.required = details.required;
    this.found = details.found;
    this.remedy = details.remedy;
    this.facts = details.facts ?? {};
  }

  /** The single entry for caught values: an error of ours as it is, an abort as CANCELED, anything else as INTERNAL with its cause. */
  static from(caught: unknown): PortLayerError {
    if (caught instanceof PortLayerError) return caught;
    if (caught instanceof Error && (caught.name === 'AbortError' || caught.name === 'TimeoutError')) {
      return new PortLayerError('CANCELED', 'The call was cancelled.', { cause: caught });
    }
    if (isErrno(caught) && (caught.code === 'ENOSPC' || caught.code === 'EDQUOT')) {
      return new PortLayerError('STORE_FULL', 'The file system has no room left.', {
        found: caught.message,
        remedy: 'Free space, for example with portlayer checkpoint rm, and repeat the call.',
        cause: caught,
      });
    }
    const reason = caught instanceof Error ? caught.message : String(caught);
    return new PortLayerError('INTERNAL', reason, { cause: caught });
  }

  /** The message with required, found and remedy, as a person reads it. */
  describe(): string {
    const lines = [this.message];
    if (this.required !== undefined) lines.push(`  required: ${this.required}`);
    if (this.found !== undefined) lines.push(`  found:    ${this.found}`);
    if (this.remedy !== undefined) lines.push(`  what to do: ${this.remedy}`);
    return lines.join('\n');
  }
}

/** True for an error of Node's system calls, with its `code` (`ENOENT`, `ENOSPC`, …). */
export function isErrno(caught: unknown): caught is NodeJS.ErrnoException {
  return caught instanceof Error && typeof (caught as NodeJS.ErrnoException).code === 'string';
}
