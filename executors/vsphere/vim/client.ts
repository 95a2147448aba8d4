import vsphereSoap from 'node-vsphere-soap';
import { createClientAsync, type Client as SoapClient } from 'soap';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { readAbout } from './about.js';
import { faultOf, vimFault } from './fault.js';
import { METHODS } from './prune-schema.js';
import { faultFrom } from './soap-fault.js';
import { type CallOptions, createSoapHttp } from './soap-http.js';
import type { Transport } from './transport.js';
import { plain, type Ref, ref, type Wire } from './wire.js';
import { cachedWsdl } from './wsdl-cache.js';

/** Who logs in. Asked for at each login, so that a password may change while the service runs. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What a vCenter says of itself. */
export interface About {
  readonly name: string;
  readonly version: string;
  readonly build: string;
  readonly apiVersion: string;
}

/** The managed objects that everything begins from. */
export interface ServiceContent {
  readonly about: About;
  readonly rootFolder: Ref;
  readonly propertyCollector: Ref;
  readonly searchIndex: Ref;
  readonly sessionManager: Ref;
  readonly viewManager: Ref;
  readonly fileManager: Ref;
  readonly vmProvisioningChecker?: Ref;
}

/** How one call is made. */
export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Default 30,000. */
  readonly deadlineMs?: number;
}

type Port = Readonly<
  Record<string, (args: object, callback: (...all: unknown[]) => void, options: object) => void>
>;

const DEADLINE_MS = 30_000;

/**
 * One session with one vCenter. Of node-vsphere-soap, whose class it is, it keeps the names of service and port and the
 * way to run a command; the connection, the session and every error go around what that package throws where nobody
 * can catch it. Nothing here throws outside of a promise, and nothing sets NODE_TLS_REJECT_UNAUTHORIZED.
 */
export class VimClient extends vsphereSoap.Client {
  readonly #transport: Transport;
  readonly #credentials: () => Promise<Credentials>;
  readonly #cacheDirectory: string;
  #cookie = '';
  #content: ServiceContent | undefined;
  #opening: Promise<ServiceContent> | undefined;
  #logging: Promise<void> | undefined;

  constructor(transport: Transport, credentials: () => Promise<Credentials>, cacheDirectory: string) {
    // True, so that the package leaves the process's environment alone.
    super(transport.server, '', '', true);
    this.#transport = transport;
    this.#credentials = credentials;
    this.#cacheDirectory = cacheDirectory;
  }

  /** Called by the package's constructor, which would connect with what it throws later. */
  protected override _connect(): void {}

  protected override _close(): void {}

  /** What the session begins from; connects and logs in first where that was not done yet. */
  content(limits: CallLimits = {}): Promise<ServiceContent> {
    if (this.#content) return Promise.resolve(this.#content);
    this.#opening ??= this.#open(limits).finally(() => {
      this.#opening = undefined;
    });
    return withSignal(this.#opening, limits.signal);
  }

  /**
   * Calls one method; its result in plain form. A session that has expired is renewed once, for everybody who waits.
   * Throws the errors of `vimFault` and `unreachable`.
   */
  async call(method: string, args: Wire, limits: CallLimits = {}): Promise<unknown> {
    await this.content(limits);
    const before = this.#cookie;
    try {
      return await this.#direct(method, args, limits);
    } catch (caught) {
      if (faultOf(caught) !== 'NotAuthenticated') throw caught;
      if (before === this.#cookie) await withSignal(this.#login(), limits.signal);
      return this.#direct(method, args, limits);
    }
  }

  /** The cookie of the session, for what is fetched beside the API. */
  async cookie(limits: CallLimits = {}): Promise<string> {
    await this.content(limits);
    return this.#cookie;
  }

  /** A new session, after a request beside the API was refused with `cookie`. */
  async renew(cookie: string): Promise<void> {
    if (cookie === this.#cookie) await this.#login();
  }

  /** Ends the session at the vCenter. Never fails. */
  async logout(): Promise<void> {
    const content = this.#content;
    this.#content = undefined;
    if (!content || this.#cookie === '') return;
    await this.#direct('Logout', { _this: ref(content.sessionManager) }, { deadlineMs: 2_000 }).catch(
      () => {},
    );
    this.#cookie = '';
  }

  async #open(limits: CallLimits): Promise<ServiceContent> {
    const { version, build } = await readAbout(this.#transport, limits.signal);
    this.client ??= await this.#createSoap(`${version}-${build}`, limits.signal);
    const content = (await this.#direct(
      'RetrieveServiceContent',
      { _this: ref({ type: 'ServiceInstance', value: 'ServiceInstance' }) },
      limits,
    )) as ServiceContent;
    this.#content = content;
    try {
      await this.#login();
    } catch (caught) {
      this.#content = undefined;
      throw caught;
    }
    return content;
  }

  async #createSoap(version: string, signal: AbortSignal | undefined): Promise<SoapClient> {
    const options = {
      endpoint: `https://${this.#transport.server}/sdk`,
      httpClient: createSoapHttp(this.#transport),
      disableCache: true,
    };
    const missing = (client: SoapClient) => [...METHODS].find(name => portOf(client)[name] === undefined);
    const path = await cachedWsdl(this.#transport, this.#cacheDirectory, version, { whole: false }, signal);
    const lean = await createClientAsync(path, options).catch(() => undefined);
    if (lean && missing(lean) === undefined) return lean;
    // Of a form that was not foreseen: as it is, then.
    const whole = await cachedWsdl(this.#transport, this.#cacheDirectory, version, { whole: true }, signal);
    return createClientAsync(whole, options);
  }

  #login(): Promise<void> {
    this.#logging ??= (async () => {
      const { user, password } = await this.#credentials();
      const args = { _this: ref(this.#content!.sessionManager), userName: user, password };
      let fresh = '';
      await this.#direct('Login', args, { deadlineMs: DEADLINE_MS }, cookies => {
        fresh = cookies.map(cookie => cookie.split(';')[0]).join('; ');
      });
      this.#cookie = fresh;
      this.status = 'ready';
    })().finally(() => {
      this.#logging = undefined;
    });
    return this.#logging;
  }

  #direct(
    method: string,
    args: Wire,
    { signal, deadlineMs = DEADLINE_MS }: CallLimits,
    cookies?: CallOptions['cookies'],
  ): Promise<unknown> {
    const operation = portOf(this.client as SoapClient)[method];
    if (!operation) return Promise.reject(vimFault(method, 'MethodNotFound', 'the WSDL has no such method'));
    const cookie = method === 'Login' ? '' : this.#cookie;
    const options: CallOptions = { deadlineMs, signal, cookie, ...(cookies ? { cookies } : {}) };
    return new Promise((resolve, reject) => {
      operation(
        args,
        (error, result) => {
          // Whatever is thrown in here would be nobody's.
          try {
            if (error) reject(faultFrom(method, error));
            else resolve(plain((result as { returnval?: unknown } | undefined)?.returnval));
          } catch (caught) {
            reject(PortLayerError.from(caught));
          }
        },
        options,
      );
    });
  }
}

function portOf(client: SoapClient): Port {
  const services = client as unknown as { VimService?: { VimPort?: Port } };
  return services.VimService?.VimPort ?? {};
}

/** What `promise` comes to, or the signal's reason: others may wait for the same promise. */
async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
