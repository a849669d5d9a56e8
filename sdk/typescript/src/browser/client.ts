import { createConnectTransport } from "@connectrpc/connect-web";
import { anonymous, Caller } from "../caller.ts";
import { ApiClient, type Connection } from "../client.ts";
import { Session } from "../session.ts";
import { baseUrlOf, type CommonOptions, limitsOf, loginOf } from "../settings.ts";

/** Options of a client in a browser: a user's login. */
export interface ClientOptions extends CommonOptions {
  /** Where the service is, such as `https://api.example.com`. */
  baseUrl: string;
  email: string;
  password: string;
  /** The organization's slug, such as `myorg`. */
  organizationSlug: string;
  accessKey?: never;
  secretKey?: never;
}

/** A client for browsers: of a user, who logs in. The tokens of the session stay in memory. */
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
  const login = loginOf(options);
  const limits = limitsOf(options);
  const interceptors = [...(options.interceptors ?? [])];
  const transport = createConnectTransport({ baseUrl, interceptors });
  const headers = {};
  const anonymousCaller = new Caller({ transport, headers, credentials: anonymous, ...limits });
  const session = new Session(anonymousCaller, login);
  const caller = new Caller({ transport, headers, credentials: session, ...limits });
  const { email, organizationSlug } = login;
  const summary = { baseUrl, email, organizationSlug };
  return { caller, anonymousCaller, session, disconnect: () => {}, summary };
}
