import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { callingAs } from '../dispatch/caller.js';
import { type Peer, refusal } from './roles.js';
import { toServiceError } from './status.js';

/** What of a call decides who makes it; each kind of grpc-js call has it. */
export interface AuthenticatedCall {
  getAuthContext(): { readonly sslPeerCertificate?: object };
}

/** Who makes a call, by the listener that it came in on. */
export type Authenticate = (call: AuthenticatedCall) => Peer;

/** Told of each call that is refused for want of a role. */
export type Refused = (who: string, rpc: string, why: string) => void;

type Handler = (call: Call, callback?: (error: unknown) => void) => void;
interface Call extends AuthenticatedCall {
  /** Absent where the client streams. */
  readonly request?: { readonly message?: object };
  emit(event: 'error', error: unknown): boolean;
}

/** The handlers of a service, each behind the table of rights: the one place where roles are enforced. */
export function authorized(
  handlers: UntypedServiceImplementation,
  authenticate: Authenticate,
  refused: Refused,
): UntypedServiceImplementation {
  const guarded = Object.entries(handlers).map(([rpc, handler]) => {
    const handle: Handler = (call, callback) => {
      const peer = authenticate(call);
      const error = refusal(peer, rpc, call.request?.message ?? {});
      if (!error) {
        callingAs(peer.who, () => (handler as unknown as Handler)(call, callback));
        return;
      }
      refused(peer.who, rpc, `${error.code}: needs ${error.required}, has ${error.found}`);
      const failure = toServiceError(error, () => {});
      if (callback) callback(failure);
      else call.emit('error', failure);
    };
    return [rpc, handle] as const;
  });
  return Object.fromEntries(guarded) as unknown as UntypedServiceImplementation;
}
