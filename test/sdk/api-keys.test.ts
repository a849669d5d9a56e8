import { inspect } from "node:util";
import { type ApiKey, Client, isSecretKey, PdaasError } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let admin: Client;

beforeAll(async () => {
  service = await TestService.start();
  admin = service.admin;
});
afterAll(() => service[Symbol.asyncDispose]());

const refused = { code: "unauthenticated", reason: "SIGNATURE_INVALID" };
const hour = 3_600_000;
const inAnHour = () => new Date(Math.floor(Date.now() / 1000) * 1000 + hour);

async function issue(permissions: string[] = ["*"]) {
  const serviceAccount = await admin.serviceAccounts.create({
    accountId: service.first.accountId,
    name: "Test",
    permissions,
  });
  const key = await admin.apiKeys.issue({ serviceAccountId: serviceAccount.id });
  return { key, apiKeyId: key.id, client: clientOf(key) };
}

function clientOf({ accessKey, secretKey }: { accessKey: string; secretKey: string }): Client {
  return new Client({ baseUrl: service.httpUrl, accessKey, secretKey });
}

/** Use is recorded within some seconds. */
async function eventually<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it did not come");
}

describe("issue", () => {
  test("with everything that can be chosen: it is what is got again", async () => {
    const { id: serviceAccountId } = await admin.serviceAccounts.create({
      accountId: service.first.accountId,
      name: "Chosen",
      permissions: ["Accounts.read", "ServiceAccounts.read"],
      rateLimit: { requestsPerSecond: 100, burst: 200 },
    });
    const chosen = {
      serviceAccountId,
      name: "Build server",
      description: "In the cellar",
      labels: { env: "test", "team.name": "a-b" },
      expireTime: inAnHour(),
      permissions: ["Accounts.read"],
      rateLimit: { requestsPerSecond: 50, burst: 60 },
    };
    const issued = await admin.serviceAccounts.issueKey(chosen);
    expect(isSecretKey(issued.secretKey)).toBe(true);
    const { secretKey, ...rest } = issued;
    expect(await admin.apiKeys.get({ apiKeyId: issued.id })).toEqual(rest);
    expect(rest).toEqual({
      ...chosen,
      id: expect.stringMatching(/^key_/),
      accessKey: expect.stringMatching(/^sa_myorg_/),
      state: "active",
      etag: expect.stringMatching(/./),
      createTime: expect.any(Date),
      updateTime: expect.any(Date),
      disableTime: undefined,
      revokeTime: undefined,
      revokeReason: "",
      predecessorId: undefined,
      successorId: undefined,
      lastUse: undefined,
      successorLastUse: undefined,
      leakTime: undefined,
      leakSource: "",
    });
    const client = clientOf({ accessKey: issued.accessKey, secretKey });
    expect((await client.whoAmI()).permissions).toEqual(["Accounts.read"]);
    await client.accounts.list().page();
    const more = refusalOf(client.serviceAccounts.list().page());
    expect(await more).toMatchObject({ reason: "PERMISSION_MISSING" });
  });

  test("without permissions at all: less than with all of the service account's", async () => {
    const { key, client } = await issue(["Accounts.read"]);
    expect(key.permissions).toBeUndefined();
    await client.accounts.list().page();
    const { serviceAccountId } = key;
    const powerless = await admin.apiKeys.issue({ serviceAccountId, permissions: [] });
    expect(powerless.permissions).toEqual([]);
    const call = clientOf(powerless).accounts.list().page();
    expect(await refusalOf(call)).toMatchObject({ reason: "PERMISSION_MISSING" });
  });
});

describe("update", () => {
  test("changes what is given, takes away what is null, and leaves what is absent", async () => {
    const { apiKeyId } = await issue();
    const expireTime = inAnHour();
    const given = {
      name: "New",
      description: "d",
      labels: { a: "1" },
      expireTime,
      permissions: ["Accounts.read"],
      rateLimit: { requestsPerSecond: 7, burst: 8 },
    };
    const first = await admin.apiKeys.update({ apiKeyId, ...given });
    expect(first).toMatchObject(given);
    const second = await admin.apiKeys.update({
      apiKeyId,
      name: undefined,
      labels: {},
      expireTime: null,
      permissions: null,
      rateLimit: null,
    });
    expect(second).toMatchObject({ name: "New", description: "d", labels: {} });
    const { expireTime: end, permissions, rateLimit } = second;
    expect([end, permissions, rateLimit]).toEqual([undefined, undefined, undefined]);
    expect(second.etag).not.toBe(first.etag);
    expect(second.updateTime.getTime()).toBeGreaterThanOrEqual(first.updateTime.getTime());
    expect(await admin.apiKeys.get({ apiKeyId })).toEqual(second);
  });

  test("of another state than the etag's is refused, and tells the current one", async () => {
    const { apiKeyId, key } = await issue();
    const { etag } = await admin.apiKeys.update({ apiKeyId, name: "a", etag: key.etag });
    const late = admin.apiKeys.update({ apiKeyId, name: "b", etag: key.etag });
    const told = { code: "aborted", reason: "ETAG_MISMATCH", metadata: { etag } };
    await expect(late).rejects.toMatchObject(told);
  });

  test("counts from the moment that it is answered", async () => {
    const { apiKeyId, client } = await issue(["Accounts.read"]);
    await client.accounts.list().page();
    await admin.apiKeys.update({ apiKeyId, permissions: [] });
    const call = client.accounts.list().page();
    expect(await refusalOf(call)).toMatchObject({ reason: "PERMISSION_MISSING" });
    await admin.apiKeys.update({ apiKeyId, permissions: null });
    await client.accounts.list().page();
  });
});

test("list: a service account's keys, the organization's, and those that expire soon", async () => {
  const [one, other] = [await issue(), await issue()];
  const ofOne = await admin.apiKeys.list({ serviceAccountId: one.key.serviceAccountId }).page();
  expect(ofOne.items.map(({ id }) => id)).toEqual([one.apiKeyId]);
  const all: ApiKey[] = [];
  for await (const key of admin.apiKeys.list({ pageSize: 2 })) all.push(key);
  const ids = all.map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining([one.apiKeyId, other.apiKeyId]));
  expect(new Set(ids).size).toBe(ids.length);
  await admin.apiKeys.update({ apiKeyId: other.apiKeyId, expireTime: inAnHour() });
  const ending = async (expireBefore: Date) => {
    const found: string[] = [];
    for await (const { id } of admin.apiKeys.list({ expireBefore })) found.push(id);
    return found;
  };
  expect(await ending(new Date(Date.now() + 2 * hour))).toContain(other.apiKeyId);
  expect(await ending(new Date(Date.now() + 2 * hour))).not.toContain(one.apiKeyId);
  expect(await ending(new Date(Date.now() + hour / 2))).not.toContain(other.apiKeyId);
});

test("disable and enable: refused and honoured again, at once", async () => {
  const { apiKeyId, client } = await issue();
  await client.whoAmI();
  const disabled = await admin.apiKeys.disable({ apiKeyId });
  expect(disabled).toMatchObject({ state: "disabled", disableTime: expect.any(Date) });
  expect(await admin.apiKeys.disable({ apiKeyId })).toEqual(disabled);
  expect(await refusalOf(client.whoAmI())).toMatchObject(refused);
  const enabled = await admin.apiKeys.enable({ apiKeyId });
  expect(enabled).toMatchObject({ state: "active", disableTime: undefined });
  await client.whoAmI();
});

test("revoke: for good, with its reason", async () => {
  const { apiKeyId, client } = await issue();
  const revoked = await admin.apiKeys.revoke({ apiKeyId, reason: "The laptop was lost" });
  expect(revoked).toMatchObject({ state: "revoked", revokeReason: "The laptop was lost" });
  expect(await refusalOf(client.whoAmI())).toMatchObject(refused);
  const enable = refusalOf(admin.apiKeys.enable({ apiKeyId }));
  expect(await enable).toMatchObject({ reason: "API_KEY_REVOKED" });
});

describe("rotate and retire", () => {
  test("both keys are honoured until the old one is retired", async () => {
    const { apiKeyId, key: old, client } = await issue(["Accounts.read"]);
    await admin.apiKeys.update({ apiKeyId, labels: { env: "test" }, name: "Bot's" });
    const before = Date.now();
    const { key, predecessor } = await admin.apiKeys.rotate({ apiKeyId, overlapSeconds: 1800 });
    expect(isSecretKey(key.secretKey)).toBe(true);
    expect(key).toMatchObject({ name: "Bot's", labels: { env: "test" }, predecessorId: apiKeyId });
    expect(key.accessKey).not.toBe(old.accessKey);
    expect(predecessor).toMatchObject({ id: apiKeyId, state: "active", successorId: key.id });
    const overlapMs = Number(predecessor.retireTime) - before;
    expect(overlapMs).toBeGreaterThanOrEqual(1_800_000);
    expect(overlapMs).toBeLessThan(1_830_000);

    await client.accounts.list().page();
    client.useKey(key);
    expect((await client.whoAmI()).apiKeyId).toBe(key.id);
    const lastUse = await eventually(
      async () => (await admin.apiKeys.get({ apiKeyId })).successorLastUse,
    );
    expect(lastUse).toMatchObject({ rpc: "WhoAmI", address: "127.0.0.1" });
    expect(lastUse.userAgent).toMatch(/^pdaas-typescript/);

    const early = admin.apiKeys.retire({ apiKeyId });
    const used = { reason: "API_KEY_IN_USE", metadata: { last_use_time: expect.any(String) } };
    await expect(early).rejects.toMatchObject(used);
    const retired = await admin.apiKeys.retire({ apiKeyId, quietPeriodSeconds: 0 });
    expect(retired.state).toBe("expired");
    expect(await admin.apiKeys.retire({ apiKeyId })).toMatchObject({ state: "expired" });
    expect(await refusalOf(clientOf(old).whoAmI())).toMatchObject(refused);
    await client.whoAmI();
  });

  test("the answer shows no secret where whole objects are printed", async () => {
    const { apiKeyId } = await issue();
    const rotated = await admin.apiKeys.rotate({ apiKeyId });
    for (const shown of [
      JSON.stringify(rotated),
      JSON.stringify({ ...rotated }),
      inspect(rotated),
      inspect([{ rotated }], { depth: 9, showHidden: true }),
      String(rotated.key),
    ]) {
      expect(shown).not.toContain(rotated.key.secretKey);
    }
    expect(JSON.stringify(rotated)).toContain("[redacted]");
    expect({ ...rotated.key }.secretKey).toBe(rotated.key.secretKey);
  });

  test("repeated with its request id: the same successor, with its secret", async () => {
    const { apiKeyId } = await issue();
    const requestId = crypto.randomUUID();
    const first = await admin.apiKeys.rotate({ apiKeyId, requestId });
    const second = await admin.apiKeys.rotate({ apiKeyId, requestId });
    expect({ ...second.key }).toEqual({ ...first.key });
    const again = admin.apiKeys.rotate({ apiKeyId });
    const metadata = { successor_id: first.key.id };
    await expect(again).rejects.toMatchObject({ reason: "API_KEY_ALREADY_ROTATED", metadata });
  });

  test("a short overlap of a key in use: refused, unless it is forced", async () => {
    const { apiKeyId, client } = await issue();
    await client.whoAmI();
    await eventually(async () => (await admin.apiKeys.get({ apiKeyId })).lastUse);
    const short = { apiKeyId, overlapSeconds: 0 };
    const rotate = refusalOf(admin.apiKeys.rotate(short));
    expect(await rotate).toMatchObject({ reason: "API_KEY_IN_USE" });
    const { key } = await admin.apiKeys.rotate({ ...short, force: true });
    expect(await refusalOf(client.whoAmI())).toMatchObject(refused);
    client.useKey(key);
    await client.whoAmI();
  });

  test("a key without a successor is not retired", async () => {
    const { apiKeyId } = await issue();
    const retire = refusalOf(admin.apiKeys.retire({ apiKeyId, force: true }));
    expect(await retire).toMatchObject({ reason: "API_KEY_NOT_ROTATED" });
  });

  test("the successor ends when it is told to, and else lives as long as the old key", async () => {
    const [one, other] = [await issue(), await issue()];
    const expireTime = inAnHour();
    for (const { apiKeyId } of [one, other]) await admin.apiKeys.update({ apiKeyId, expireTime });
    const chosen = await admin.apiKeys.rotate({ apiKeyId: one.apiKeyId, expireTime });
    expect(chosen.key.expireTime).toEqual(expireTime);
    const { key } = await admin.apiKeys.rotate({ apiKeyId: other.apiKeyId });
    expect(Number(key.expireTime) - Number(expireTime)).toBeGreaterThanOrEqual(0);
    expect(Number(key.expireTime) - Number(expireTime)).toBeLessThan(60_000);
  });
});

test("usage: the calls of the day, and where they came from", async () => {
  const { apiKeyId, client } = await issue();
  const nothing = { lastUse: undefined, dailyUses: [], addressUses: [] };
  expect(await admin.apiKeys.usage({ apiKeyId })).toEqual(nothing);
  for (let call = 0; call < 5; call++) await client.whoAmI();
  const usage = await eventually(async () => {
    const read = await admin.apiKeys.usage({ apiKeyId, days: 7 });
    const calls = read.dailyUses.reduce((sum, day) => sum + day.calls, 0);
    return calls >= 5 ? read : undefined;
  });
  expect(usage.dailyUses[0]).toEqual({
    date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    calls: expect.any(Number),
  });
  const [from] = usage.addressUses;
  expect(from).toEqual({ address: "127.0.0.1", calls: 5, lastTime: expect.any(Date) });
  expect(usage.lastUse?.time).toBeInstanceOf(Date);
});

describe("reportLeaked", () => {
  test("by a stranger, a user, or the program that holds the key: it is disabled", async () => {
    const stranger = await issue([]);
    for (const pick of ["stranger", "user", "holder"] as const) {
      const { apiKeyId, key, client } = await issue();
      const reporter = { stranger: stranger.client, user: admin, holder: client }[pick];
      const { secretKey, accessKey } = key;
      const source = "https://git.example/commit/1";
      const report = await reporter.apiKeys.reportLeaked({ secretKey, source });
      expect(report).toEqual({ accessKey, state: "disabled" });
      expect(await refusalOf(client.whoAmI())).toMatchObject(refused);
      const got = await admin.apiKeys.get({ apiKeyId });
      expect(got).toMatchObject({ leakTime: expect.any(Date), leakSource: source });
      expect(await reporter.apiKeys.reportLeaked({ secretKey })).toEqual(report);
      const enable = refusalOf(admin.apiKeys.enable({ apiKeyId }));
      expect(await enable).toMatchObject({ reason: "API_KEY_LEAKED" });
      const forced = await admin.apiKeys.enable({ apiKeyId, force: true });
      expect(forced.state).toBe("active");
      await client.whoAmI();
    }
  });

  test("of a secret that is nobody's: not found, and the error does not show it", async () => {
    const text = `sk_${"A".repeat(43)}2nuKpf`;
    expect(isSecretKey(text)).toBe(true);
    const error = await admin.apiKeys.reportLeaked({ secretKey: text }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(PdaasError);
    expect(error.reason).toBe("RESOURCE_NOT_FOUND");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(text);
    const mistyped = `${text.slice(0, -1)}x`;
    expect(isSecretKey(mistyped)).toBe(false);
    const report = refusalOf(admin.apiKeys.reportLeaked({ secretKey: mistyped }));
    expect(await report).toMatchObject({ reason: "FIELD_INVALID" });
  });
});

describe("a rate limit", () => {
  test("of a key: the client waits as it is told, and all its calls are carried out", async () => {
    const { key } = await issue();
    const limited = await admin.apiKeys.issue({
      serviceAccountId: key.serviceAccountId,
      rateLimit: { requestsPerSecond: 5, burst: 5 },
    });
    expect(limited.rateLimit).toEqual({ requestsPerSecond: 5, burst: 5 });
    const impatient = new Client({ baseUrl: service.httpUrl, ...limited, maxRetries: 0 });
    const calls = await Promise.allSettled(Array.from({ length: 20 }, () => impatient.whoAmI()));
    const refusals = calls.flatMap((call) => (call.status === "rejected" ? [call.reason] : []));
    expect(refusals.length).toBeGreaterThanOrEqual(10);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: "resource_exhausted", reason: "RATE_LIMITED" });
      expect(refusal.retryAfterMs).toBeGreaterThan(0);
      expect(refusal.retryable).toBe(true);
    }
    const patient = new Client({ baseUrl: service.httpUrl, ...limited, maxRetries: 30 });
    const begin = performance.now();
    await Promise.all(Array.from({ length: 15 }, () => patient.whoAmI()));
    expect(performance.now() - begin).toBeGreaterThan(1_500);
  });

  test("of a service account, for all its keys together, until it is taken away", async () => {
    const { key } = await issue();
    const { serviceAccountId } = key;
    const { serviceAccounts } = admin;
    const rateLimit = { requestsPerSecond: 1 };
    const updated = await serviceAccounts.update({ serviceAccountId, rateLimit });
    expect(updated.rateLimit).toEqual({ requestsPerSecond: 1, burst: 1 });
    const other = await admin.apiKeys.issue({ serviceAccountId });
    const burst = () =>
      Promise.allSettled(
        [key, other, key, other].map((one) =>
          new Client({ baseUrl: service.httpUrl, ...one, maxRetries: 0 }).whoAmI(),
        ),
      );
    const limited = await burst();
    expect(limited.filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(2);
    const freed = await serviceAccounts.update({ serviceAccountId, rateLimit: null });
    expect(freed.rateLimit).toBeUndefined();
    const free = await burst();
    expect(free.filter(({ status }) => status === "rejected")).toEqual([]);
  });
});
