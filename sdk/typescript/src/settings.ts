import type { Interceptor } from "@connectrpc/connect";
import type { Login } from "./session.ts";

/** Options that every client has. */
export interface CommonOptions {
  /** How long a call may take, with its retries, in milliseconds; 30 000 when absent. */
  timeoutMs?: number | undefined;
  /** How often a failed call is tried again at most; 3 when absent. */
  maxRetries?: number | undefined;
  /** Run around every attempt, before it is signed. */
  interceptors?: readonly Interceptor[] | undefined;
}

/** A user's login, as options; all of it or nothing. */
export type LoginOptions = { [Name in keyof Login]?: Login[Name] | undefined };

export const loginNames = ["email", "password", "organizationSlug"] as const;

/**
 * @returns the URL without a slash at its end
 * @throws TypeError when it cannot be one that requests are sent below
 */
export function baseUrlOf(baseUrl: string, name: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`${name} must be an http or https URL, such as https://api.example.com.`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError(`${name} must have no credentials, query or fragment.`);
  }
  return url.href.replace(/\/$/, "");
}

/** @throws TypeError when a part of the login is missing */
export function loginOf(options: LoginOptions): Login {
  const { email, password, organizationSlug } = options;
  if (email && password && organizationSlug) return { email, password, organizationSlug };
  throw new TypeError(
    `${missing(options, loginNames)} missing: a user logs in with email, password and organizationSlug.`,
  );
}

/** @throws TypeError when a number is out of its range */
export function limitsOf({ timeoutMs = 30_000, maxRetries = 3 }: CommonOptions) {
  // 8 digits are the most that gRPC's header for it can carry.
  if (!(timeoutMs > 0 && timeoutMs < 1e8)) {
    throw new TypeError("timeoutMs must be a number of milliseconds above 0 and below 100000000.");
  }
  if (!Number.isInteger(maxRetries) || maxRetries < 0) {
    throw new TypeError("maxRetries must be a whole number, 0 or more.");
  }
  return { timeoutMs, maxRetries };
}

/** The settings without a value, with the verb that goes with them. */
export function missing<Name extends string>(
  values: { [N in Name]?: string | undefined },
  names: readonly Name[],
): string {
  const absent = names.filter((name) => !values[name]);
  return `${absent.join(" and ")} ${absent.length === 1 ? "is" : "are"}`;
}
