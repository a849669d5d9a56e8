import type { Interceptor, Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { anonymous, Caller, type CallerSettings } from "../caller.ts";
import { ApiClient, type Connection } from "../client.ts";
import { SigningClock } from "../clock.ts";
import { isSecretKey } from "../secret-key.ts";
import { type Login, Session } from "../session.ts";
import { signingInterceptor } from "../signing/connect.ts";
import { Signer, type SigningKey } from "../signing/signer.ts";
import { version } from "../version.ts";
import { type ClientOptions, type Settings, settingsOf } from "./settings.ts";

/** A connection that may sign its calls. */
interface NodeConnection extends Connection {
  /** Replaces the key that calls are signed with; undefined when they are not. */
  useKey?: (key: SigningKey) => void;
}

/** A client for Node: of a user, who logs in, or of a service account, which signs with an API key. */
export class Client extends ApiClient {
  readonly #useKey: NodeConnection["useKey"];

  /** @throws TypeError that names the option at fault */
  constructor(options: ClientOptions = {}) {
    const connection = connect(options, settingsOf(options, process.env));
    super(connection);
    this.#useKey = connection.useKey;
  }

  /**
   * Signs with another API key from now on, such as the successor of a rotation. Calls under way finish;
   * an attempt that begins later, also one of such a call, is signed with the new key.
   * @throws TypeError when the key cannot be one, or the client is a user's: the client stays as it was
   */
  useKey(key: SigningKey): void {
    if (this.#useKey === undefined) {
      throw new TypeError("useKey is for clients that sign with an API key; this one is a user's.");
    }
    this.#useKey(key);
  }
}

/** What makes the connections of a client, all of them with the same wires. */
interface Wire {
  /** @param interceptors run after the client's own */
  transport(interceptors: readonly Interceptor[]): Transport;
  disconnect(): void;
}

function connect(options: ClientOptions, settings: Settings): NodeConnection {
  const agent = `pdaas-typescript/${version}`;
  const headers = {
    "user-agent": options.userAgent === undefined ? agent : `${options.userAgent} ${agent}`,
  };
  const { credentials, timeoutMs, maxRetries } = settings;
  const common = { headers, timeoutMs, maxRetries };
  const wire = wireOf(settings, options.interceptors ?? []);
  return "key" in credentials
    ? signing(credentials.key, wire, settings, common)
    : ofUser(credentials.login, wire, settings, common);
}

type Common = Omit<CallerSettings, "transport" | "credentials">;

function signing(
  first: SigningKey,
  wire: Wire,
  { baseUrl, transport }: Settings,
  common: Common,
): NodeConnection {
  let key = first;
  const clock = new SigningClock();
  const sign = signingInterceptor({ key: () => key, now: () => clock.now() });
  return {
    caller: new Caller({ ...common, transport: wire.transport([sign]), credentials: clock }),
    anonymousCaller: new Caller({
      ...common,
      transport: wire.transport([]),
      credentials: anonymous,
    }),
    disconnect: wire.disconnect,
    get summary() {
      return { baseUrl, transport, accessKey: key.accessKey };
    },
    useKey(next) {
      key = checked(next);
    },
  };
}

function ofUser(
  login: Login,
  wire: Wire,
  { baseUrl, transport }: Settings,
  common: Common,
): NodeConnection {
  const settings = { ...common, transport: wire.transport([]) };
  const anonymousCaller = new Caller({ ...settings, credentials: anonymous });
  const session = new Session(anonymousCaller, login);
  const { email, organizationSlug } = login;
  return {
    caller: new Caller({ ...settings, credentials: session }),
    anonymousCaller,
    session,
    disconnect: wire.disconnect,
    summary: { baseUrl, transport, email, organizationSlug },
  };
}

/** @throws TypeError when it cannot be the key of a running program */
function checked({ accessKey, secretKey }: SigningKey): SigningKey {
  new Signer({ accessKey, secretKey });
  if (!isSecretKey(secretKey)) {
    throw new TypeError(
      "secretKey is no secret key as it was issued: its form or its checksum is wrong.",
    );
  }
  return { accessKey, secretKey };
}

function wireOf({ baseUrl, transport }: Settings, own: readonly Interceptor[]): Wire {
  if (transport === "connect") {
    const options = { baseUrl, httpVersion: "1.1" } as const;
    return {
      transport: (more) => createConnectTransport({ ...options, interceptors: [...own, ...more] }),
      disconnect: () => {},
    };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  const options = { baseUrl, sessionManager };
  return {
    transport: (more) => createGrpcTransport({ ...options, interceptors: [...own, ...more] }),
    disconnect: () => sessionManager.abort(),
  };
}
