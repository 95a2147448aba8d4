import type { RoleMapping } from './certificate-roles.js';
import type { Role } from './roles.js';
import type { SocketFile } from './socket.js';
import type { TlsFiles } from './tls.js';

/** A unix socket: whoever can open it has its roles. */
export interface UnixListener extends SocketFile {
  /** Default: admin, which is everything. */
  readonly roles?: readonly Role[];
}

/** A port, with certificates on both sides: a caller's says what it may. */
export interface TcpListener {
  /** A name or an address of this host; `0.0.0.0` is all of them. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls: TlsFiles;
  /** Default: a certificate's organizational unit is its role. */
  readonly mapping?: readonly RoleMapping[];
}

/** What the API listens on. */
export type Listener = UnixListener | TcpListener;
