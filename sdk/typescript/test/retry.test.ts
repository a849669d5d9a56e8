import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import {
  ServiceAccountSchema,
  ServiceAccountService,
} from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { PdaasError } from "../src/errors.ts";
import { Client } from "../src/index.ts";
import { mayRetry, retryDelayMs } from "../src/retry.ts";
import { refusal, unavailable } from "./support/refusal.ts";
import { startServer, type TestServerOptions } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const time = timestampFromMs(1_700_000_000_000);
const serviceAccount = create(ServiceAccountSchema, { createTime: time, updateTime: time });
const organization = { id: "org_1", slug: "myorg", createTime: time };
const serviceAccountId = "svc_1";

/** A service that refuses its first calls, and the request ids that its creations came with. */
async function serve(refusals: ConnectError[], options?: TestServerOptions) {
  const left = [...refusals];
  const requestIds: string[] = [];
  const next = <T>(answer: T) => {
    const error = left.shift();
    if (error !== undefined) throw error;
    return answer;
  };
  const routes = (router: ConnectRouter) => {
    router.service(OrganizationService, { getOrganization: () => next({ organization }) });
    router.service(ServiceAccountService, {
      createServiceAccount: ({ requestId }) => {
        requestIds.push(requestId);
        return next({ serviceAccount });
      },
      updateServiceAccount: () => next({ serviceAccount }),
      disableServiceAccount: () => next({ serviceAccount }),
    });
  };
  const server = await startServer(routes, options);
  const client = new Client({ baseUrl: server.baseUrl, ...key });
  return { server, client, requestIds };
}

const calls = {
  read: (client: Client) => client.organizations.getInfo(),
  create: (client: Client) => client.serviceAccounts.create({ accountId: "acc-123", name: "x" }),
  disable: (client: Client) => client.serviceAccounts.disable({ serviceAccountId }),
  "disable with an etag": (client: Client) =>
    client.serviceAccounts.disable({ serviceAccountId, etag: "v1" }),
  update: (client: Client) => client.serviceAccounts.update({ serviceAccountId, name: "x" }),
};
type Call = keyof typeof calls;
const repeatable: Call[] = ["read", "create", "disable"];
const once: Call[] = ["update", "disable with an etag"];

test.each(repeatable)(
  "%s, unavailable twice: done at the third attempt, each signed afresh",
  async (name) => {
    const { server, client, requestIds } = await serve([unavailable(), unavailable()]);
    await calls[name](client);
    const signatures = server.requests.map((request) => verify(request, key));
    expect(signatures).toHaveLength(3);
    expect(new Set(signatures.map(({ nonce }) => nonce)).size).toBe(3);
    if (name !== "create") return;
    expect(new Set(requestIds).size).toBe(1);
    expect(requestIds[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  },
);

test.each(once)("%s, unavailable: told, since it may have been done", async (name) => {
  const { server, client } = await serve([unavailable()]);
  await expect(calls[name](client)).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(server.requests).toHaveLength(1);
});

test.each([...repeatable, ...once])(
  "%s, refused before anything was done: tried again",
  async (name) => {
    const { server, client } = await serve([
      unavailable("REPLAY_STORE_UNAVAILABLE"),
      unavailable("REPLAY_STORE_RECOVERING"),
      unavailable("AUDIT_UNAVAILABLE"),
    ]);
    await calls[name](client);
    expect(server.requests).toHaveLength(4);
  },
);

test.each([...repeatable, ...once])("%s, too often: tried again after the wait", async (name) => {
  const limited = refusal(Code.ResourceExhausted, "RATE_LIMITED", { retryAfterMs: 80 });
  const { server, client } = await serve([limited]);
  const begin = performance.now();
  await calls[name](client);
  expect(performance.now() - begin).toBeGreaterThanOrEqual(79);
  expect(server.requests).toHaveLength(2);
});

test("too often at every attempt: told what it was told last", async () => {
  const limited = refusal(Code.ResourceExhausted, "RATE_LIMITED", { retryAfterMs: 30 });
  const { server, client } = await serve(Array.from({ length: 9 }, () => limited));
  const begin = performance.now();
  const told = { code: "resource_exhausted", reason: "RATE_LIMITED", retryAfterMs: 30 };
  await expect(calls.update(client)).rejects.toMatchObject(told);
  expect(server.requests).toHaveLength(4);
  expect(performance.now() - begin).toBeGreaterThanOrEqual(89);
});

test("too often, with a wait beyond the deadline: told at once", async () => {
  const limited = refusal(Code.ResourceExhausted, "RATE_LIMITED", { retryAfterMs: 60_000 });
  const { server, client } = await serve([limited]);
  await expect(calls.update(client)).rejects.toMatchObject({ retryAfterMs: 60_000 });
  expect(server.requests).toHaveLength(1);
});

test.each(repeatable)("%s, the answer is lost: done again", async (name) => {
  const lost = { losesAnswer: () => server.requests.length === 1 };
  const { server, client } = await serve([], lost);
  await calls[name](client);
  expect(server.requests).toHaveLength(2);
});

test.each(once)("%s, the answer is lost: told, and not done again", async (name) => {
  const { server, client } = await serve([], { losesAnswer: () => true });
  await expect(calls[name](client)).rejects.toMatchObject({ code: "unavailable" });
  expect(server.requests).toHaveLength(1);
});

describe("an attempt that the network delivered twice", () => {
  const replayed = refusal(Code.Unauthenticated, "NONCE_REPLAYED");

  test.each(repeatable)("%s: tried again, with another nonce", async (name) => {
    const { server, client } = await serve([replayed]);
    await calls[name](client);
    const [first, second] = server.requests.map((request) => verify(request, key));
    expect(second?.nonce).not.toBe(first?.nonce);
  });

  test.each(once)("%s: told, since the first delivery may have done it", async (name) => {
    const { server, client } = await serve([replayed]);
    await expect(calls[name](client)).rejects.toMatchObject({ reason: "NONCE_REPLAYED" });
    expect(server.requests).toHaveLength(1);
  });
});

test("overloaded, with a time to wait: waits so long at least", async () => {
  const overloaded = refusal(Code.ResourceExhausted, "OVERLOADED", { retryAfterMs: 120 });
  const { server, client } = await serve([overloaded]);
  const begin = performance.now();
  await client.organizations.getInfo();
  expect(performance.now() - begin).toBeGreaterThanOrEqual(119);
  expect(server.requests).toHaveLength(2);
});

test.each([
  ["a limit without a time to wait", refusal(Code.ResourceExhausted, "LIMIT_REACHED")],
  ["a missing permission", refusal(Code.PermissionDenied, "PERMISSION_MISSING")],
  ["a wrong signature", refusal(Code.Unauthenticated, "SIGNATURE_INVALID")],
])("%s: told at once", async (_, error) => {
  const { server, client } = await serve([error]);
  await expect(client.organizations.getInfo()).rejects.toBeInstanceOf(PdaasError);
  expect(server.requests).toHaveLength(1);
});

test("the wait would outlast the deadline: told at once", async () => {
  const { server, client } = await serve([unavailable("DATABASE_UNAVAILABLE", 60_000)]);
  const begin = performance.now();
  const call = client.organizations.getInfo({ timeoutMs: 10_000 });
  await expect(call).rejects.toMatchObject({ retryAfterMs: 60_000 });
  expect(performance.now() - begin).toBeLessThan(5_000);
  expect(server.requests).toHaveLength(1);
});

test.each([0, 1])("maxRetries %i: so many and no more", async (maxRetries) => {
  const { server } = await serve(Array.from({ length: 5 }, () => unavailable()));
  const client = new Client({ baseUrl: server.baseUrl, ...key, maxRetries });
  await expect(client.organizations.getInfo()).rejects.toMatchObject({ code: "unavailable" });
  expect(server.requests).toHaveLength(maxRetries + 1);
});

test("gives up while it waits: cancelled", async () => {
  const { client } = await serve([unavailable("DATABASE_UNAVAILABLE", 20_000)]);
  const signal = AbortSignal.timeout(100);
  const call = client.organizations.getInfo({ signal });
  await expect(call).rejects.toMatchObject({ code: "cancelled" });
});

test("a connection that was refused carried nothing: any call is tried again", () => {
  const cause = Object.assign(new Error("no"), { code: "ECONNREFUSED" });
  const error = new PdaasError("no", { code: "unavailable", cause });
  expect(mayRetry(error, false)).toBe(true);
  const broken = Object.assign(new Error("no"), { code: "ECONNRESET" });
  expect(mayRetry(new PdaasError("no", { code: "unavailable", cause: broken }), false)).toBe(false);
});

test("the backoff doubles up to 5 s with full jitter, on top of what the service asks for", () => {
  const error = new PdaasError("no", { code: "unavailable" });
  const ceilings = [1, 2, 3, 7, 100].map((attempts) => retryDelayMs(error, attempts, () => 1));
  expect(ceilings).toEqual([100, 200, 400, 5_000, 5_000]);
  expect(retryDelayMs(error, 3, () => 0)).toBe(0);
  const asking = new PdaasError("no", { code: "unavailable", retryAfterMs: 700 });
  expect(retryDelayMs(asking, 1, () => 0.5)).toBe(750);
});
