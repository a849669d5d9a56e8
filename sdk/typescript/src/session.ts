import { timestampDate } from "@bufbuild/protobuf/wkt";
import { AuthService, type SessionTokens } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import type { Caller, CallOptions, Credentials } from "./caller.ts";
import { PdaasError } from "./errors.ts";

/** What a user logs in with. */
export interface Login {
  email: string;
  password: string;
  /** The organization's slug, such as `myorg`. */
  organizationSlug: string;
}

/** How long before its expiry an access token is replaced. */
const marginMs = 60_000;

interface Tokens {
  access: string;
  refresh: string;
  /** When to replace the access token, on the clock of performance.now(). */
  staleAt: number;
}

/** A user's session: begun on first use, kept alive while it is used. Its tokens stay in memory. */
export class Session implements Credentials {
  readonly #caller: Caller;
  readonly #login: Login;
  #tokens: Tokens | undefined;
  /** The one login or refresh under way; calls that need new tokens share it. */
  #renewal: Promise<Tokens> | undefined;

  /** @param caller calls without credentials */
  constructor(caller: Caller, login: Login) {
    this.#caller = caller;
    this.#login = login;
  }

  async headers(): Promise<Record<string, string>> {
    return bearer(await this.#current());
  }

  async recover(error: PdaasError, sent: Record<string, string>): Promise<boolean> {
    const { reason } = error;
    if (reason !== "ACCESS_TOKEN_INVALID" && reason !== "SESSION_ENDED") return false;
    const tokens = this.#tokens;
    // Another call may have renewed the tokens since this one was sent.
    if (tokens !== undefined && bearer(tokens).authorization === sent.authorization) {
      if (reason === "SESSION_ENDED") this.#tokens = undefined;
      else tokens.staleAt = 0;
    }
    await this.#current();
    return true;
  }

  /** Ends the session, if one was begun. The next call begins another. */
  async logout(options?: CallOptions): Promise<void> {
    await this.#renewal?.catch(() => {});
    const tokens = this.#tokens;
    this.#tokens = undefined;
    if (tokens === undefined) return;
    try {
      await this.#endSession(tokens, options);
    } catch (error) {
      if (!(error instanceof PdaasError) || error.reason !== "ACCESS_TOKEN_INVALID") throw error;
      const renewed = await this.#refresh(tokens, options);
      if (renewed !== undefined) await this.#endSession(renewed, options);
    }
  }

  async #endSession(tokens: Tokens, options?: CallOptions): Promise<void> {
    const settings = { ...options, headers: bearer(tokens) };
    try {
      await this.#caller.call(AuthService.method.logout, {}, settings);
    } catch (error) {
      if (!(error instanceof PdaasError) || error.reason !== "SESSION_ENDED") throw error;
    }
  }

  async #current(): Promise<Tokens> {
    const tokens = this.#tokens;
    if (tokens !== undefined && performance.now() < tokens.staleAt) return tokens;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return await this.#renewal;
  }

  async #renew(): Promise<Tokens> {
    const refreshed = this.#tokens && (await this.#refresh(this.#tokens));
    this.#tokens = refreshed ?? (await this.#logIn());
    return this.#tokens;
  }

  /** @returns undefined when the session cannot be continued */
  async #refresh({ refresh }: Tokens, options?: CallOptions): Promise<Tokens | undefined> {
    try {
      const method = AuthService.method.refreshSession;
      const answer = await this.#caller.call(method, { refreshToken: refresh }, options);
      return received(answer.tokens);
    } catch (error) {
      if (error instanceof PdaasError && error.code === "unauthenticated") return undefined;
      throw error;
    }
  }

  async #logIn(): Promise<Tokens> {
    const answer = await this.#caller.call(AuthService.method.login, this.#login);
    return received(answer.tokens);
  }
}

function received(tokens: SessionTokens | undefined): Tokens {
  if (tokens?.accessTokenExpireTime === undefined) {
    throw new PdaasError("The service answered without tokens.", { code: "internal" });
  }
  const leftMs = timestampDate(tokens.accessTokenExpireTime).getTime() - Date.now() - marginMs;
  // A new token that seems to have expired means that this clock is wrong: let refusals tell instead.
  const staleAt = leftMs > 0 ? performance.now() + leftMs : Number.POSITIVE_INFINITY;
  return { access: tokens.accessToken, refresh: tokens.refreshToken, staleAt };
}

function bearer(tokens: Tokens): { authorization: string } {
  return { authorization: `Bearer ${tokens.access}` };
}
