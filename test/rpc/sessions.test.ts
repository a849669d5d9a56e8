import { createClient } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { refusalOf, transport, withHeaders } from "../harness/clients.ts";
import { administrator, TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const connect = "connect-node Connect JSON";
const auth = (accessToken?: string) =>
  createClient(
    AuthService,
    transport(
      connect,
      service,
      accessToken === undefined ? [] : [withHeaders({ authorization: `Bearer ${accessToken}` })],
    ),
  );

async function login() {
  const { tokens } = await auth().login(administrator);
  if (tokens === undefined) throw new Error("no tokens");
  return tokens;
}

describe("a login", () => {
  test("gives an access token of 15 minutes, and a session", async () => {
    const { accessToken } = await login();
    const claims = decodeJwt(accessToken);
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(15 * 60);
    const { principal } = await auth(accessToken).whoAmI({});
    expect(principal).toMatchObject({ email: administrator.email, permissions: ["*"] });
  });

  test.each([
    ["a wrong password", { ...administrator, password: "wrong" }],
    ["an unknown email", { ...administrator, email: "nobody@myorg.example" }],
    ["an unknown organization", { ...administrator, organizationSlug: "noorg" }],
  ])("with %s is refused in the same words", async (_, request) => {
    expect(await refusalOf(auth().login(request))).toEqual({
      code: "unauthenticated",
      reason: "LOGIN_FAILED",
      message:
        "Organization, email and password do not belong together, or you may not log in from your address. Check all of them.",
    });
  });

  test("that failed is recorded with its true reason, and without what was typed", async () => {
    await auth()
      .login({ ...administrator, password: "my-other-password" })
      .catch(() => {});
    await auth()
      .login({ ...administrator, email: "typed@example.com" })
      .catch(() => {});
    const events = await service.auditRows("action = 'Login' and outcome <> 1", [], 2);
    const reasons = events.map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(["WRONG_PASSWORD", "UNKNOWN_USER"]));
    expect(JSON.stringify(events)).not.toMatch(/my-other-password|typed@example/);
    expect(service.log.join("")).not.toMatch(/my-other-password|typed@example/);
  });
});

describe("a refresh", () => {
  test("gives new tokens for the same session", async () => {
    const first = await login();
    const { tokens } = await auth().refreshSession({ refreshToken: first.refreshToken });
    expect(tokens?.refreshToken).not.toBe(first.refreshToken);
    expect(decodeJwt(tokens?.accessToken ?? "").sid).toBe(decodeJwt(first.accessToken).sid);
  });

  test("with a token that was used before ends the session", async () => {
    const first = await login();
    const { tokens } = await auth().refreshSession({ refreshToken: first.refreshToken });
    const again = auth().refreshSession({ refreshToken: first.refreshToken });
    expect(await refusalOf(again)).toMatchObject({ reason: "REFRESH_TOKEN_REUSED" });
    const next = auth().refreshSession({ refreshToken: tokens?.refreshToken ?? "" });
    expect(await refusalOf(next)).toMatchObject({ reason: "REFRESH_TOKEN_INVALID" });
    expect(await refusalOf(auth(tokens?.accessToken).whoAmI({}))).toMatchObject({
      reason: "SESSION_ENDED",
    });
  });

  test("twice at once succeeds once", async () => {
    const { refreshToken } = await login();
    const answers = await Promise.allSettled(
      Array.from({ length: 5 }, () => auth().refreshSession({ refreshToken })),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("with a token that was never given is refused", async () => {
    const refresh = auth().refreshSession({ refreshToken: "rt_nonsense" });
    expect(await refusalOf(refresh)).toMatchObject({ code: "unauthenticated" });
  });
});

describe("an access token", () => {
  test("counts for nothing after a logout", async () => {
    const { accessToken, refreshToken } = await login();
    await auth(accessToken).logout({});
    expect(await refusalOf(auth(accessToken).whoAmI({}))).toMatchObject({
      code: "unauthenticated",
      reason: "SESSION_ENDED",
    });
    expect(await refusalOf(auth().refreshSession({ refreshToken }))).toMatchObject({
      reason: "REFRESH_TOKEN_INVALID",
    });
  });

  test.each([
    ["was changed", (token: string) => `${token.slice(0, -4)}AAAA`],
    ["names no algorithm", (token: string) => `${unsigned(token)}.`],
    ["is no token", () => "nonsense"],
    ["is of another kind", (token: string) => token.replace("ey", "ex")],
  ])("that %s is refused", async (_, change) => {
    const { accessToken } = await login();
    const refusal = await refusalOf(auth(change(accessToken)).whoAmI({}));
    expect(refusal).toMatchObject({ code: "unauthenticated", reason: "ACCESS_TOKEN_INVALID" });
  });

  test("is checked with the published keys", async () => {
    const { createRemoteJWKSet, jwtVerify } = await import("jose");
    const keys = createRemoteJWKSet(new URL(`${service.httpUrl}/.well-known/jwks.json`));
    const { accessToken } = await login();
    const { protectedHeader } = await jwtVerify(accessToken, keys);
    expect(protectedHeader.alg).toBe("EdDSA");
  });
});

test("a login that succeeds is not counted", async () => {
  for (let login = 0; login < 3; login++) await auth().login(administrator);
  const counts = () =>
    service.database.query<{ attempts: number }>("select attempts from attempts");
  const before = await counts();
  for (let login = 0; login < 5; login++) await auth().login(administrator);
  expect(await counts()).toEqual(before);
});

test("logins are throttled, for users that exist and for those that do not", async () => {
  for (const email of [administrator.email, "ghost@myorg.example"]) {
    const refusals: string[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      const login = auth().login({ ...administrator, email, password: "guess" });
      refusals.push((await refusalOf(login)).reason);
    }
    expect(refusals.slice(0, 10)).toEqual(Array(10).fill("LOGIN_FAILED"));
    expect(refusals.slice(10)).toEqual(["LOGIN_THROTTLED", "LOGIN_THROTTLED"]);
  }
});

function unsigned(token: string): string {
  const [, payload] = token.split(".");
  return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}`;
}
