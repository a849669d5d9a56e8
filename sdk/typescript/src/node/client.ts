import type { Interceptor, Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { anonymous, Caller } from "../caller.ts";
import { ApiClient, type Connection } from "../client.ts";
import { SigningClock } from "../clock.ts";
import { Session } from "../session.ts";
import { signingInterceptor } from "../signing/connect.ts";
import { version } from "../version.ts";
import { type ClientOptions, type Settings, settingsOf } from "./settings.ts";

/** A client for Node: of a user, who logs in, or of a service account, which signs with an API key. */
export class Client extends ApiClient {
  /** @throws TypeError that names the option at fault */
  constructor(options: ClientOptions = {}) {
    super(connect(options, settingsOf(options, process.env)));
  }
}

function connect(options: ClientOptions, settings: Settings): Connection {
  const { credentials, baseUrl, transport } = settings;
  const agent = `pdaas-typescript/${version}`;
  const headers = {
    "user-agent": options.userAgent === undefined ? agent : `${options.userAgent} ${agent}`,
  };
  const interceptors = [...(options.interceptors ?? [])];
  if ("key" in credentials) {
    const clock = new SigningClock();
    interceptors.push(signingInterceptor({ ...credentials.key, now: () => clock.now() }));
    const wire = wireOf(settings, interceptors);
    const caller = new Caller({ ...settings, ...wire, headers, credentials: clock });
    const { accessKey } = credentials.key;
    return { ...wire, caller, summary: { baseUrl, transport, accessKey } };
  }
  const { login } = credentials;
  const wire = wireOf(settings, interceptors);
  const session = new Session(
    new Caller({ ...settings, ...wire, headers, credentials: anonymous }),
    login,
  );
  const caller = new Caller({ ...settings, ...wire, headers, credentials: session });
  const { email, organizationSlug } = login;
  return { ...wire, caller, session, summary: { baseUrl, transport, email, organizationSlug } };
}

function wireOf(
  { baseUrl, transport }: Settings,
  interceptors: Interceptor[],
): { transport: Transport; disconnect(): void } {
  if (transport === "connect") {
    const options = { baseUrl, httpVersion: "1.1", interceptors } as const;
    return { transport: createConnectTransport(options), disconnect: () => {} };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager, interceptors }),
    disconnect: () => sessionManager.abort(),
  };
}
