import { Redis } from "ioredis";
import { Client } from "pdaas";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { Cable } from "../harness/cable.ts";
import { refusalOf } from "../harness/clients.ts";
import { connectRefusal, postHttp, signedHeaders } from "../harness/raw.ts";
import { type RedisServer, startRedisServer } from "../harness/redis-server.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let redis: RedisServer;
let cable: Cable;
let service: TestService;
let key: TestKey;

beforeEach(async () => {
  redis = await startRedisServer();
  cable = await Cable.lay(inject("postgresSocket"));
  service = await TestService.start(({ poolConfig }) => ({
    PDAAS_REDIS_URL: redis.url,
    PDAAS_DATABASE_URL: cable.url(poolConfig.database as string),
  }));
  key = await service.issueKey();
});
afterEach(async () => {
  await service[Symbol.asyncDispose]();
  await cable.remove();
  await redis.stop();
});

/** Asks until the service is as ready as expected, for at most 15 seconds. */
async function readiness(status: number): Promise<Record<string, string>> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const response = await fetch(`${service.httpUrl}/readyz`);
    const { faults } = (await response.json()) as { faults: Record<string, string> };
    if (response.status === status) return faults;
    if (Date.now() > deadline)
      throw new Error(`still ${response.status}: ${JSON.stringify(faults)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A client without retries, which would hide a refusal. */
const client = () => new Client({ baseUrl: service.httpUrl, ...key, maxRetries: 0 });
const call = () => client().organizations.getInfo();

test("without Redis signed calls are refused, and work again by themselves", async () => {
  await call();
  await redis.kill();
  expect(await refusalOf(call())).toMatchObject({
    code: "unavailable",
    reason: "REPLAY_STORE_UNAVAILABLE",
    retryAfterMs: 1_000,
  });
  expect(await readiness(503)).toHaveProperty("replay store");
  await service.admin.whoAmI();
  await redis.restart();
  expect(await readiness(200)).toEqual({});
  // It was emptied: what was signed before that might have been used before.
  const refusal = await refusalOf(call());
  expect(refusal).toMatchObject({ code: "unavailable", reason: "REPLAY_STORE_RECOVERING" });
  expect(refusal.retryAfterMs).toBeGreaterThan(25_000);
  expect(refusal.retryAfterMs).toBeLessThan(35_000);
});

test("while Redis hangs, all that wait are refused together", async () => {
  await call();
  redis.pause();
  const began = performance.now();
  const refusals = await Promise.all(
    Array.from({ length: 600 }, () => refusalOf(call()).then(({ reason }) => reason)),
  );
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(new Set(refusals)).toEqual(new Set(["REPLAY_STORE_UNAVAILABLE"]));
  redis.resume();
  await expect
    .poll(
      () =>
        call().then(
          () => "OK",
          () => "refused",
        ),
      { timeout: 5_000 },
    )
    .toBe("OK");
});

test("a change that neither Redis nor a silent connection told of counts within seconds", async () => {
  await call();
  cable.freeze();
  await service.database.query("update api_keys set revoke_time = now()");
  await service.database.query(
    "update organizations set access_epoch = access_epoch + 1, access_epoch_time = now()",
  );
  const outcome = () =>
    call().then(
      () => "OK",
      ({ reason }) => reason,
    );
  await expect.poll(outcome, { timeout: 10_000 }).toBe("SIGNATURE_INVALID");
  await service.auditRows("reason = 'API_KEY_REVOKED'", [], 1);
  // Without an end of what is silent, a graceful stop would wait for it.
  await cable.cut();
  await cable.mend();
});

test("a Redis that comes back with an old snapshot admits nothing from before", async () => {
  await using remembering = new AsyncDisposableStack();
  const snapshots = await startRedisServer({ snapshots: true });
  remembering.defer(() => snapshots.stop());
  const other = await TestService.start({ PDAAS_REDIS_URL: snapshots.url });
  remembering.defer(() => other[Symbol.asyncDispose]());
  const otherKey = await other.issueKey();
  await other.signed(otherKey).organizations.getInfo();
  const control = new Redis(snapshots.url);
  await control.save();
  control.disconnect();
  const url = `${other.httpUrl}/pdaas.v1.AuthService/WhoAmI`;
  const headers = signedHeaders(otherKey, url, "application/json", "{}");
  expect((await postHttp(url, headers, "{}")).status).toBe(200);
  await snapshots.kill();
  await snapshots.restart();
  const replayed = async () => connectRefusal(await postHttp(url, headers, "{}")).reason;
  await expect.poll(replayed, { timeout: 5_000 }).not.toBe("REPLAY_STORE_UNAVAILABLE");
  expect(await replayed()).toMatch(/NONCE_REPLAYED|REPLAY_STORE_RECOVERING/);
});

test("without Postgres cached keys work, changes do not, and all comes back by itself", async () => {
  await call();
  await cable.cut();
  expect(await readiness(503)).toHaveProperty("database");
  await call();
  const change = client().serviceAccounts.create({ accountId: "acc-123", name: "Lost" });
  expect(await refusalOf(change)).toMatchObject({
    code: "unavailable",
    reason: "DATABASE_UNAVAILABLE",
    retryAfterMs: 1_000,
  });
  const refused = client().auditEvents.list().page();
  expect(await refusalOf(refused)).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  await cable.mend();
  expect(await readiness(200)).toEqual({});
  await client().serviceAccounts.create({ accountId: "acc-123", name: "Found" });
  const names = await Array.fromAsync(client().serviceAccounts.list(), ({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["Found"]));
  expect(names).not.toContain("Lost");
  // The refusals of the meantime were kept, and are in the audit log now.
  await service.auditRows("reason = 'DATABASE_UNAVAILABLE'", [], 2);
});
