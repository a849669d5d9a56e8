import type { Login } from "../session.ts";
import {
  baseUrlOf,
  type CommonOptions,
  type LoginOptions,
  limitsOf,
  loginNames,
  loginOf,
  missing,
} from "../settings.ts";
import type { SigningKey } from "../signing/signer.ts";

/**
 * Options of a client: a user's login or an API key. With neither, the key is read from
 * `PDAAS_ACCESS_KEY` and `PDAAS_SECRET_KEY`.
 */
export interface ClientOptions extends CommonOptions, LoginOptions {
  /** Where the service is, such as `https://api.example.com`; `PDAAS_API_URL` when absent. */
  baseUrl?: string | undefined;
  /** The public half of an API key, `sa_…`. */
  accessKey?: string | undefined;
  /** The secret half of an API key, `sk_…`. */
  secretKey?: string | undefined;
  /** Connect over HTTP/1.1, which is the default, or gRPC over HTTP/2. */
  transport?: "connect" | "grpc" | undefined;
  /** What to call the program in the `user-agent` header, before the name of this package. */
  userAgent?: string | undefined;
}

/** Options that were checked and completed. */
export interface Settings {
  baseUrl: string;
  credentials: { login: Login } | { key: SigningKey };
  transport: "connect" | "grpc";
  timeoutMs: number;
  maxRetries: number;
}

type Environment = Record<string, string | undefined>;

const keyNames = ["accessKey", "secretKey"] as const;
const environmentNames = ["PDAAS_ACCESS_KEY", "PDAAS_SECRET_KEY"] as const;

/** @throws TypeError that names what is missing, contradictory or malformed */
export function settingsOf(options: ClientOptions, environment: Environment): Settings {
  const { transport = "connect" } = options;
  if (transport !== "connect" && transport !== "grpc") {
    throw new TypeError('transport must be "connect" or "grpc".');
  }
  const baseUrl = options.baseUrl ?? environment.PDAAS_API_URL;
  if (!baseUrl) throw new TypeError("baseUrl is missing: give it, or set PDAAS_API_URL.");
  return {
    baseUrl: baseUrlOf(baseUrl, options.baseUrl === undefined ? "PDAAS_API_URL" : "baseUrl"),
    credentials: credentialsOf(options, environment),
    transport,
    ...limitsOf(options),
  };
}

function credentialsOf(options: ClientOptions, environment: Environment): Settings["credentials"] {
  const ofLogin = loginNames.filter((name) => options[name] !== undefined);
  const ofKey = keyNames.filter((name) => options[name] !== undefined);
  if (ofLogin.length > 0 && ofKey.length > 0) {
    throw new TypeError(
      `Give a user's login or an API key, not both: ${[...ofLogin, ...ofKey].join(", ")}.`,
    );
  }
  if (ofLogin.length > 0) return { login: loginOf(options) };
  if (ofKey.length > 0) return { key: keyOf(options) };
  return { key: keyOfEnvironment(environment) };
}

function keyOf(options: ClientOptions): SigningKey {
  const { accessKey, secretKey } = options;
  if (accessKey && secretKey) return { accessKey, secretKey };
  throw new TypeError(
    `${missing(options, keyNames)} missing: an API key is an accessKey and a secretKey.`,
  );
}

function keyOfEnvironment(environment: Environment): SigningKey {
  const { PDAAS_ACCESS_KEY: accessKey, PDAAS_SECRET_KEY: secretKey } = environment;
  if (accessKey && secretKey) return { accessKey, secretKey };
  throw new TypeError(
    "There are no credentials: give email, password and organizationSlug, or accessKey and secretKey, " +
      `or set PDAAS_ACCESS_KEY and PDAAS_SECRET_KEY (${missing(environment, environmentNames)} not set).`,
  );
}
