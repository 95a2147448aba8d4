import type { ExecutionHandlers } from '../../proto/types/portlayer/execution/v1/Execution.js';
import type { LevelsHandlers } from '../../proto/types/portlayer/execution/v1/Levels.js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** What a caller may be allowed. Making a checkpoint and restoring one are separate rights. */
export const ROLES = [
  /** Looks at everything but images. */
  'read',
  /** Also creates, starts, changes and ends containers, and takes checkpoints. */
  'operate',
  /** Reads, and makes containers from checkpoints. */
  'restore',
  /** Everything: also names and removes checkpoints. */
  'admin',
] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

type Declared<T> = keyof { [K in keyof T as string extends K ? never : number extends K ? never : K]: true };
type Rpc = Declared<ExecutionHandlers> | Declared<LevelsHandlers>;

/** The roles of which a call needs each, as far as its request decides it. */
type Rule = readonly Role[] | ((request: Readonly<Record<string, unknown>>) => readonly Role[]);

/** The one table of what each call needs. A call that is not in it does not compile. */
export const RIGHTS: Readonly<Record<Rpc, Rule>> = {
  CreateContainer: ['operate'],
  StartContainer: ['operate'],
  StopContainer: ['operate'],
  KillContainer: ['operate'],
  RemoveContainer: ['operate'],
  GetContainer: ['read'],
  ListContainers: ['read'],
  WaitContainer: ['read'],
  StreamLogs: ['read'],
  ExecContainer: ['operate'],
  BindContainer: ['operate'],
  UpdateContainer: ['operate'],
  CreateCheckpoint: ['operate'],
  PlanCheckpoint: ['read'],
  GetCheckpoint: ['read'],
  ListCheckpoints: ['read'],
  GetCheckpointTree: ['read'],
  PublishCheckpoint: ['admin'],
  RemoveCheckpoint: ['admin'],
  CommitCheckpoint: ['operate'],
  PinCheckpoint: ['admin'],
  CoalesceCheckpoint: ['operate'],
  // With a restore it also starts a copy.
  VerifyCheckpoint: request => (request.restoreFor ? ['operate', 'restore'] : ['operate']),
  CollectGarbage: ['admin'],
  DiffCheckpoints: ['read'],
  // An image holds what was in memory.
  ExportCheckpoint: ['admin'],
  ImportCheckpoint: ['admin'],
  CheckRestore: ['read'],
  ListTargets: ['read'],
  RestoreCheckpoint: ['restore'],
  // Of a container: it is checkpointed first.
  Fork: request => (request.container ? ['operate', 'restore'] : ['restore']),
  MoveContainer: ['operate', 'restore'],
  StreamEvents: ['read'],
  ListLevels: ['read'],
  GetCapabilities: ['read'],
};

/** Who calls, and as what. */
export interface Peer {
  /** For the audit: `api`, `api CN`. */
  readonly who: string;
  readonly roles: readonly Role[];
}

/** PERMISSION_DENIED where the caller's roles do not include what a call needs; undefined where they do. */
export function refusal(peer: Peer, rpc: string, request: object): PortLayerError | undefined {
  const rule = (RIGHTS as Readonly<Record<string, Rule | undefined>>)[rpc] ?? ['admin'];
  const needed = typeof rule === 'function' ? rule(request as Readonly<Record<string, unknown>>) : rule;
  const missing = needed.filter(role => !holds(peer.roles, role));
  if (missing.length === 0) return undefined;
  return new PortLayerError('PERMISSION_DENIED', `${rpc} needs a role that this caller does not have.`, {
    required: needed.join(' and '),
    found: peer.roles.join(', ') || 'no role',
    remedy:
      'Call over a socket, or with a certificate, that has the role; whoever runs the service gives them out.',
    facts: { rpc, missing: missing.join(',') },
  });
}

function holds(roles: readonly Role[], needed: Role): boolean {
  if (roles.includes('admin') || roles.includes(needed)) return true;
  return needed === 'read' && (roles.includes('operate') || roles.includes('restore'));
}
