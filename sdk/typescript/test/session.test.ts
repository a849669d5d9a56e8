import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import * as browser from "../src/browser.ts";
import * as node from "../src/index.ts";
import { refusal } from "./support/refusal.ts";
import { startServer } from "./support/server.ts";

const user = { email: "admin@myorg.example", password: "correct", organizationSlug: "myorg" };
const minutes = 60_000;

/** A service with sessions: each token is good until another takes its place. */
async function serve({ accessMinutes = 15 } = {}) {
  const log: string[] = [];
  const state = { access: "", refresh: "", ended: false, issued: 0, accepts: true };
  const tokens = () => {
    state.issued += 1;
    Object.assign(state, {
      access: `at${state.issued}`,
      refresh: `rt${state.issued}`,
      ended: false,
    });
    return {
      tokens: {
        accessToken: state.access,
        refreshToken: state.refresh,
        accessTokenExpireTime: timestampFromMs(Date.now() + accessMinutes * minutes),
        refreshTokenExpireTime: timestampFromMs(Date.now() + 600 * minutes),
      },
    };
  };
  const authenticate = (authorization: string | null) => {
    if (!state.accepts || authorization !== `Bearer ${state.access}`) {
      throw refusal(Code.Unauthenticated, "ACCESS_TOKEN_INVALID");
    }
    if (state.ended) throw refusal(Code.Unauthenticated, "SESSION_ENDED");
  };
  const routes = (router: ConnectRouter) => {
    router.service(AuthService, {
      login: async (request) => {
        log.push("login");
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (request.password === "correct") return tokens();
        throw refusal(Code.Unauthenticated, "LOGIN_FAILED");
      },
      refreshSession: async ({ refreshToken }) => {
        log.push("refresh");
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (refreshToken === state.refresh && !state.ended) return tokens();
        throw refusal(Code.Unauthenticated, "REFRESH_TOKEN_REUSED");
      },
      logout: (_, context) => {
        log.push("logout");
        authenticate(context.requestHeader.get("authorization"));
        state.ended = true;
        return {};
      },
      whoAmI: (_, context) => {
        authenticate(context.requestHeader.get("authorization"));
        return { principal: { id: "usr_1" } };
      },
    });
  };
  const { baseUrl } = await startServer(routes);
  return { log, state, baseUrl };
}

describe.each([
  ["Node", node.Client],
  ["browsers", browser.Client],
] as const)("the client for %s", (_, Client) => {
  const calls = (client: { whoAmI(): Promise<{ id: string }> }, count: number) =>
    Promise.all(Array.from({ length: count }, () => client.whoAmI()));

  test("20 calls at the start: one login", async () => {
    const { log, baseUrl } = await serve();
    const principals = await calls(new Client({ baseUrl, ...user }), 20);
    expect(principals.map(({ id }) => id)).toEqual(Array(20).fill("usr_1"));
    expect(log).toEqual(["login"]);
  });

  test("20 calls with a token that is no longer good: one refresh, and all are answered", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    state.access = "another";
    expect(await calls(client, 20)).toHaveLength(20);
    expect(log).toEqual(["login", "refresh"]);
  });

  test("20 calls a minute before the token expires: one refresh, before it is refused", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    vi.advanceTimersByTime(14 * minutes - 1);
    await calls(client, 20);
    expect(log).toEqual(["login"]);
    vi.advanceTimersByTime(2);
    await calls(client, 20);
    expect(log).toEqual(["login", "refresh"]);
    expect(state.access).toBe("at2");
  });

  test("this clock is ahead, so that every token seems to have expired: no refresh without need", async () => {
    const { log, baseUrl } = await serve({ accessMinutes: -30 });
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    await client.whoAmI();
    expect(log).toEqual(["login"]);
  });

  test("the refresh token is not good either: logs in again", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    Object.assign(state, { access: "another", refresh: "another" });
    await client.whoAmI();
    expect(log).toEqual(["login", "refresh", "login"]);
  });

  test("the session was ended: logs in again", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    state.ended = true;
    await client.whoAmI();
    expect(log).toEqual(["login", "login"]);
  });

  test("a new token is refused too: told after one refresh", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    state.accepts = false;
    await expect(client.whoAmI()).rejects.toMatchObject({ reason: "ACCESS_TOKEN_INVALID" });
    expect(log).toEqual(["login", "refresh"]);
  });

  test("a wrong password: every call that waited for the login is told", async () => {
    const { log, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user, password: "wrong" });
    const outcomes = await Promise.allSettled([client.whoAmI(), client.whoAmI()]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "LOGIN_FAILED" } });
    }
    expect(log).toEqual(["login"]);
  });

  test("a call that does not wait for the login: given up alone", async () => {
    const { baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    const [impatient, patient] = await Promise.allSettled([
      client.whoAmI({ timeoutMs: 5 }),
      client.whoAmI(),
    ]);
    expect(impatient).toMatchObject({ reason: { code: "deadline_exceeded" } });
    expect(patient).toMatchObject({ value: { id: "usr_1" } });
  });

  test("a call that was given up before it was made: no login", async () => {
    const { log, baseUrl } = await serve();
    const call = new Client({ baseUrl, ...user }).whoAmI({ signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
    expect(log).toEqual([]);
  });

  test("logout: the session is ended, and the next call begins another", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.logout();
    expect(log).toEqual([]);
    await client.whoAmI();
    await client.logout();
    expect(state.ended).toBe(true);
    await client.whoAmI();
    expect(log).toEqual(["login", "logout", "login"]);
  });

  test("logout with a token that is no longer good: refreshed, then ended", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    state.access = "another";
    await client.logout();
    expect(log).toEqual(["login", "logout", "refresh", "logout"]);
    expect(state.ended).toBe(true);
  });

  test("close: ends the session, and does not mind that it has ended", async () => {
    const { log, state, baseUrl } = await serve();
    const client = new Client({ baseUrl, ...user });
    await client.whoAmI();
    state.ended = true;
    await client.close();
    expect(log).toEqual(["login", "logout"]);
  });
});
