import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import manifest from "../package.json" with { type: "json" };
import * as browser from "../src/browser.ts";
import { Client, type ClientOptions, PdaasError } from "../src/index.ts";
import { refusal } from "./support/refusal.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const baseUrl = "http://127.0.0.1:1";
const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_verysecret" };
const user = { email: "a@b.example", password: "very-secret-word", organizationSlug: "myorg" };

beforeEach(() => {
  for (const name of ["PDAAS_API_URL", "PDAAS_ACCESS_KEY", "PDAAS_SECRET_KEY"]) {
    vi.stubEnv(name, undefined);
  }
});
afterEach(() => vi.unstubAllEnvs());

test.each<[string, ClientOptions, RegExp]>([
  ["no base URL", key, /^baseUrl is missing: .*PDAAS_API_URL/],
  ["a base URL that is none", { baseUrl: "api.example.com", ...key }, /^baseUrl must be an http/],
  ["another scheme", { baseUrl: "ftp://x.example", ...key }, /^baseUrl must be an http/],
  ["credentials in the URL", { baseUrl: "http://a:b@x.example", ...key }, /no credentials/],
  ["a query in the URL", { baseUrl: "http://x.example/?a", ...key }, /no credentials, query/],
  ["no credentials", { baseUrl }, /PDAAS_ACCESS_KEY and PDAAS_SECRET_KEY are not set/],
  ["half a key", { baseUrl, accessKey: key.accessKey }, /^secretKey is missing/],
  ["the other half", { baseUrl, secretKey: key.secretKey }, /^accessKey is missing/],
  ["an empty half", { baseUrl, ...key, secretKey: "" }, /^secretKey is missing/],
  ["an email alone", { baseUrl, email: "a" }, /^password and organizationSlug are missing/],
  ["no organization", { baseUrl, ...user, organizationSlug: "" }, /^organizationSlug is missing/],
  ["both", { baseUrl, ...user, ...key }, /not both: email, password, organizationSlug, accessKey/],
  ["an unknown transport", { baseUrl, ...key, transport: "x" as never }, /^transport must be/],
  ["no time at all", { baseUrl, ...key, timeoutMs: 0 }, /^timeoutMs must be/],
  ["half a retry", { baseUrl, ...key, maxRetries: 0.5 }, /^maxRetries must be/],
])("%s: refused, and says what is wrong", (_, options, message) => {
  let error: unknown;
  try {
    new Client(options);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TypeError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toMatch(/verysecret|very-secret/);
});

test("half a key in the environment: refused, and says which half", () => {
  vi.stubEnv("PDAAS_ACCESS_KEY", key.accessKey);
  expect(() => new Client({ baseUrl })).toThrow("(PDAAS_SECRET_KEY is not set)");
  expect(() => new Client({ baseUrl, secretKey: key.secretKey })).toThrow("accessKey is missing");
});

test("everything from the environment: calls are signed with that key", async () => {
  const { requests, ...server } = await startServer((router) => {
    router.service(AuthService, { whoAmI: () => ({ principal: { id: "svc_1" } }) });
  });
  vi.stubEnv("PDAAS_API_URL", `${server.baseUrl}/`);
  vi.stubEnv("PDAAS_ACCESS_KEY", key.accessKey);
  vi.stubEnv("PDAAS_SECRET_KEY", key.secretKey);
  expect(await new Client({ userAgent: "deployer/2" }).whoAmI()).toMatchObject({ id: "svc_1" });
  expect(requests).toHaveLength(1);
  verify(requests[0] as never, key);
  const agent = `deployer/2 pdaas-typescript/${manifest.version}`;
  expect(requests[0]?.headers["user-agent"]).toBe(agent);
});

test("an interceptor that is given runs before the signature", async () => {
  const { requests, ...server } = await startServer((router) => {
    router.service(AuthService, { whoAmI: () => ({ principal: { id: "svc_1" } }) });
  });
  const seen: boolean[] = [];
  const client = new Client({
    baseUrl: server.baseUrl,
    ...key,
    interceptors: [
      (next) => (request) => {
        seen.push(request.header.has("signature"));
        request.header.set("traceparent", "00-1-2-00");
        return next(request);
      },
    ],
  });
  await client.whoAmI();
  expect(seen).toEqual([false]);
  expect(requests[0]?.headers.traceparent).toBe("00-1-2-00");
  verify(requests[0] as never, key);
});

test("a client that is printed shows whose it is, and no secret", () => {
  const clients = [
    new Client({ baseUrl, ...key }),
    new Client({ baseUrl, ...user, transport: "grpc" }),
    new browser.Client({ baseUrl, ...user }),
  ];
  for (const client of clients) {
    const shown = [
      JSON.stringify({ client }),
      inspect({ client }),
      inspect(client, { depth: 20, showHidden: true, customInspect: false }),
      String(client),
    ].join("\n");
    expect(shown).toMatch(/sa_myorg_acc123_test|a@b\.example/);
    expect(shown).not.toMatch(/verysecret|very-secret/);
  }
});

test("the error of a login, and a client with a session, printed: no password and no token", async () => {
  let refuses = true;
  const server = await startServer((router) => {
    router.service(AuthService, {
      login: () => {
        if (refuses) throw refusal(Code.Unauthenticated, "LOGIN_FAILED");
        const accessTokenExpireTime = { seconds: 4_000_000_000n };
        return {
          tokens: { accessToken: "at-secret", refreshToken: "rt-secret", accessTokenExpireTime },
        };
      },
      whoAmI: () => {
        throw refusal(Code.PermissionDenied, "CALLER_NOT_ALLOWED");
      },
    });
  });
  const client = new Client({ baseUrl: server.baseUrl, ...user });
  const full = { depth: 20, showHidden: true };
  const failed = await client.whoAmI().catch((error) => error);
  refuses = false;
  const refused = await client.whoAmI().catch((error) => error);
  for (const error of [failed, refused]) expect(error).toBeInstanceOf(PdaasError);
  expect(refused.reason).toBe("CALLER_NOT_ALLOWED");
  const shown = [failed, refused, client].map((value) => inspect(value, full)).join("\n");
  expect(shown).toContain("LOGIN_FAILED");
  expect(shown).not.toMatch(/very-secret|[ar]t-secret/);
});
