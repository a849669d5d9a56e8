import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import type { Service } from "../../src/service.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let replica: Service;

beforeAll(async () => {
  service = await TestService.start();
  replica = await service.replica();
});
afterAll(() => service[Symbol.asyncDispose]());

const slow = { requestsPerSecond: 1, burst: 5 };

/** Calls without retries, through either replica and either server. */
function caller(key: TestKey, at: { httpUrl: string; grpcUrl: string } = service) {
  const made = (name: string) =>
    createClient(OrganizationService, signedTransport(name, at as TestService, key));
  const clients = [made("connect-node Connect JSON"), made("connect-node gRPC, gRPC server")];
  let turn = 0;
  return () =>
    (clients[turn++ % 2] as (typeof clients)[0]).getOrganization({}).then(
      () => "OK",
      () => "refused",
    );
}

const there = () => ({ httpUrl: replica.httpUrl, grpcUrl: `http://${replica.grpcAddress}` });

async function limitedKey(rateLimit: object): Promise<TestKey> {
  const { serviceAccountId } = await service.issueKey();
  const key = await service.admin.apiKeys.issue({ serviceAccountId, rateLimit } as never);
  return { ...key, secretKey: key.secretKey, apiKeyId: key.id };
}

const admitted = (outcomes: string[]) => outcomes.filter((outcome) => outcome === "OK").length;

describe("a key's rate limit", () => {
  test("admits its burst and no more, on all replicas together", async () => {
    const key = await limitedKey(slow);
    const [here, elsewhere] = [caller(key), caller(key, there())];
    const began = performance.now();
    const calls = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? here() : elsewhere()));
    const count = admitted(await Promise.all(calls));
    const seconds = (performance.now() - began) / 1_000;
    expect(count).toBeGreaterThanOrEqual(5);
    expect(count).toBeLessThanOrEqual(5 + Math.ceil(seconds));
  });

  test("says when to try again, and holds until then", async () => {
    const key = await limitedKey(slow);
    const call = caller(key);
    await Promise.all(Array.from({ length: 6 }, call));
    const client = createClient(
      OrganizationService,
      signedTransport("connect-node gRPC, gRPC server", service, key),
    );
    const refusal = await refusalOf(client.getOrganization({}));
    expect(refusal).toMatchObject({ code: "resource_exhausted", reason: "RATE_LIMITED" });
    const wait = refusal.retryAfterMs as number;
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(1_000);
    await new Promise((resolve) => setTimeout(resolve, wait + 5));
    expect(await call()).toBe("OK");
    const [event] = await service.auditRows(
      "api_key_id = $1 and reason = 'RATE_LIMITED'",
      [key.apiKeyId],
      1,
    );
    expect(event?.principal_id).toBe(key.serviceAccountId);
  });

  test("counts at once when it is set, changed or taken away", async () => {
    const key = await service.issueKey();
    const { apiKeyId } = key;
    const { apiKeys } = service.admin;
    const burst = async () => admitted(await Promise.all(Array.from({ length: 20 }, caller(key))));
    expect(await burst()).toBe(20);
    await apiKeys.update({ apiKeyId, rateLimit: { requestsPerSecond: 1, burst: 3 } });
    const few = await burst();
    expect(few).toBeGreaterThanOrEqual(3);
    expect(few).toBeLessThan(10);
    await apiKeys.update({ apiKeyId, rateLimit: null });
    expect(await burst()).toBe(20);
  });

  test("binds calls that another replica admits by what it knew before", async () => {
    const key = await service.issueKey();
    const call = caller(key, there());
    expect(await call()).toBe("OK");
    const rateLimit = { requestsPerSecond: 1, burst: 3 };
    await service.admin.apiKeys.update({ apiKeyId: key.apiKeyId, rateLimit });
    const few = admitted(await Promise.all(Array.from({ length: 20 }, call)));
    expect(few).toBeLessThan(10);
  });

  test("is not used up by replays", async () => {
    const key = await limitedKey(slow);
    const { organizationId } = service;
    const claim = { organizationId, keyId: key.apiKeyId, nonce: "replayed-nonce-of-a-test" };
    const limits = [{ id: key.apiKeyId, perSecond: 1, burst: 5 }];
    const { replay } = service.service.app;
    for (let i = 0; i < 20; i++) await replay.admit({ ...claim, limits });
    expect(admitted(await Promise.all(Array.from({ length: 4 }, caller(key))))).toBe(4);
  });
});

test("a service account's rate limit is that of all its keys together", async () => {
  const first = await service.issueKey();
  const { serviceAccountId } = first;
  const issued = await service.admin.apiKeys.issue({ serviceAccountId });
  const second = { ...issued, secretKey: issued.secretKey, apiKeyId: issued.id };
  await service.admin.serviceAccounts.update({ serviceAccountId, rateLimit: slow });
  const [a, b] = [caller(first), caller(second)];
  const began = performance.now();
  const calls = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? a() : b()));
  const count = admitted(await Promise.all(calls));
  const seconds = (performance.now() - began) / 1_000;
  expect(count).toBeGreaterThanOrEqual(5);
  expect(count).toBeLessThanOrEqual(5 + Math.ceil(seconds));
});

test("a key of a limited service account gives nobody else a higher limit", async () => {
  const key = await service.issueKey();
  const { serviceAccountId } = key;
  const rateLimit = { requestsPerSecond: 100, burst: 200 };
  await service.admin.serviceAccounts.update({ serviceAccountId, rateLimit });
  const client = service.signed(key);
  const other = await service.issueKey();
  const unlimited = { serviceAccountId: other.serviceAccountId, rateLimit: null };
  const higher = { requestsPerSecond: 100, burst: 201 };
  const attempts = {
    "lift its own": () => client.serviceAccounts.update({ serviceAccountId, rateLimit: null }),
    "lift another's": () => client.serviceAccounts.update(unlimited),
    "issue elsewhere": () =>
      client.apiKeys.issue({ serviceAccountId: other.serviceAccountId, rateLimit: higher }),
    "rotate elsewhere": () => client.apiKeys.rotate({ apiKeyId: other.apiKeyId }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(await refusalOf(attempt()), name).toMatchObject({ reason: "PERMISSION_ESCALATION" });
  }
  const made = await client.serviceAccounts.create({ accountId: "acc-123", name: "Made" });
  expect(made.rateLimit).toEqual(rateLimit);
  expect((await client.apiKeys.issue({ serviceAccountId: made.id })).rateLimit).toEqual(rateLimit);
  // Its siblings share its service account's limit, so that they need none of their own.
  expect((await client.apiKeys.issue({ serviceAccountId })).rateLimit).toBeUndefined();
});

test("a limited key gives nobody a higher limit", async () => {
  const key = await limitedKey({ requestsPerSecond: 100, burst: 200 });
  const client = service.signed(key);
  const { serviceAccountId, apiKeyId } = key;
  const higher = { requestsPerSecond: 101, burst: 200 };
  const attempts = {
    issue: () => client.apiKeys.issue({ serviceAccountId, rateLimit: higher }),
    "raise its own": () => client.apiKeys.update({ apiKeyId, rateLimit: higher }),
    "take its own away": () => client.apiKeys.update({ apiKeyId, rateLimit: null }),
    "raise its service account's": () =>
      client.serviceAccounts.update({ serviceAccountId, rateLimit: null }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(await refusalOf(attempt()), name).toMatchObject({ reason: "PERMISSION_ESCALATION" });
  }
  const made = await client.apiKeys.issue({ serviceAccountId });
  expect(made.rateLimit).toEqual({ requestsPerSecond: 100, burst: 200 });
});
