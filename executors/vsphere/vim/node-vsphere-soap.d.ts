// node-vsphere-soap brings no types. Only what the adapter uses is declared.
declare module 'node-vsphere-soap' {
  import type { EventEmitter } from 'node:events';

  /** A session with one vCenter. The constructor emits `connect`, which calls `_connect` at once. */
  export class Client extends EventEmitter {
    constructor(host: string, user: string, password: string, sslVerify: boolean);
    status: 'disconnected' | 'connecting' | 'ready';
    client: unknown;
    protected _connect(): void;
    protected _close(): void;
    runCommand(command: string, args: object): EventEmitter;
  }
}
