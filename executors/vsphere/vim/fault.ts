import { type ErrorCode, PortLayerError } from '../../../portlayer/errors/port-layer-error.js';

/** What each fault of the vSphere API means to us. Names are types of the API, never texts: those are in the server's language. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  InvalidState: 'WRONG_STATE',
  InvalidPowerState: 'WRONG_STATE',
  ToolsUnavailable: 'WRONG_STATE',
  DuplicateName: 'ALREADY_EXISTS',
  AlreadyExists: 'ALREADY_EXISTS',
  FileAlreadyExists: 'ALREADY_EXISTS',
  ManagedObjectNotFound: 'NOT_FOUND',
  NotFound: 'NOT_FOUND',
  FileNotFound: 'NOT_FOUND',
  ConcurrentAccess: 'STALE_GENERATION',
  TaskInProgress: 'OPERATION_PENDING',
  NoDiskSpace: 'STORE_FULL',
  InsufficientStorageSpace: 'STORE_FULL',
  InsufficientDisks: 'STORE_FULL',
  InvalidArgument: 'INVALID_SPEC',
  InvalidName: 'INVALID_SPEC',
  InvalidRequest: 'INVALID_SPEC',
  InvalidType: 'INVALID_SPEC',
  InvalidDatastore: 'INVALID_SPEC',
  InvalidDatastorePath: 'INVALID_SPEC',
  InvalidVmConfig: 'INVALID_SPEC',
  DisallowedMigrationDeviceAttached: 'CONSTRAINT_UNMET',
  MigrationFault: 'CONSTRAINT_UNMET',
  NotSupported: 'CAPABILITY_MISSING',
  MethodNotFound: 'CAPABILITY_MISSING',
  RequestCanceled: 'CANCELED',
};

const REMEDIES: Readonly<Record<string, string>> = {
  InvalidLogin: 'Correct user and password of this environment.',
  NoPermission:
    'Give the user of this environment the privileges that design/mechanisms/vmfork-vsphere.md lists.',
  NoDiskSpace: 'Free space on the datastore, or choose another in the configuration.',
  TaskInProgress: 'Wait for the other task on this virtual machine, then repeat the call.',
  DisallowedMigrationDeviceAttached:
    'Disconnect the device (a CD-ROM, a passthrough device) from the virtual machine.',
};

/** The error for a fault that the API reported. `facts.fault` is its type; callers decide by that. */
export function vimFault(
  method: string,
  fault: string,
  text: string,
  detail = '',
  more: Readonly<Record<string, string>> = {},
): PortLayerError {
  return new PortLayerError(CODES[fault] ?? 'EXECUTOR_UNAVAILABLE', `vSphere refused ${method}: ${fault}.`, {
    found: [text, detail].filter(part => part !== '').join('; ') || fault,
    remedy: REMEDIES[fault] ?? 'See the events of the virtual machine in vCenter.',
    facts: { fault, method, ...more },
  });
}

/** The type of the API's fault, or undefined where the error is of another kind. */
export function faultOf(caught: unknown): string | undefined {
  return caught instanceof PortLayerError ? caught.facts.fault : undefined;
}

/** Whether it is not known if the call was carried out. */
export function isUncertain(caught: unknown): boolean {
  return caught instanceof PortLayerError && caught.facts.uncertain === 'true';
}
