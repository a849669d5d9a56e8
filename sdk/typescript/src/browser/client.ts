import { createConnectTransport } from "@connectrpc/connect-web";
import { anonymous, Caller } from "../caller.ts";
import { ApiClient, type Connection } from "../client.ts";
import { type Login, Session } from "../session.ts";
import { baseUrlOf, type CommonOptions, limitsOf, loginNames, loginOf } from "../settings.ts";

/** Options of a client in a browser: a user's login, or nobody's. */
export type ClientOptions = BrowserOptions & (Login | { [Name in keyof Login]?: never });

interface BrowserOptions extends CommonOptions {
  /** Where the service is, such as `https://api.example.com`. */
  baseUrl: string;
  accessKey?: never;
  secretKey?: never;
}

/**
 * A client for browsers: of a user, who logs in. The tokens of the session stay in memory. Without a login
 * it can do what takes none, such as `users.acceptInvitation`.
 */
export class Client extends ApiClient {
  /** @throws TypeError that names the option at fault */
  constructor(options: ClientOptions) {
    super(connect(options));
  }
}

function connect(options: ClientOptions): Connection {
  if ("accessKey" in options || "secretKey" in options) {
    throw new TypeError(
      "Browsers never hold a secret key: log a user in with email, password and organizationSlug.",
    );
  }
  const baseUrl = baseUrlOf(options.baseUrl, "baseUrl");
  const login = loginNames.some((name) => name in options) ? loginOf(options) : undefined;
  const limits = limitsOf(options);
  const interceptors = [...(options.interceptors ?? [])];
  const transport = createConnectTransport({ baseUrl, interceptors });
  const settings = { transport, headers: {}, ...limits };
  const anonymousCaller = new Caller({ ...settings, credentials: anonymous });
  const common = { anonymousCaller, disconnect: () => {} };
  if (login === undefined) return { ...common, caller: anonymousCaller, summary: { baseUrl } };
  const session = new Session(anonymousCaller, login);
  const caller = new Caller({ ...settings, credentials: session });
  const { email, organizationSlug } = login;
  return { ...common, caller, session, summary: { baseUrl, email, organizationSlug } };
}
