import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const hour = 3_600_000;
const inHours = (hours: number) => new Date(Date.now() + hours * hour);
const refusedSignature = { code: "unauthenticated", reason: "SIGNATURE_INVALID" };
const escalation = { code: "permission_denied", reason: "PERMISSION_ESCALATION" };

/** A key of a service account that may do everything, with limits of its own. */
async function limited(limits: object): Promise<TestKey> {
  const { serviceAccountId } = await service.issueKey(["*"]);
  const key = await service.admin.apiKeys.issue({ serviceAccountId, ...limits });
  return { ...key, secretKey: key.secretKey, apiKeyId: key.id };
}

describe("what a key is called", () => {
  test("is what it was issued with, and can be changed", async () => {
    const { apiKeys } = service.admin;
    const { apiKeyId } = await limited({ name: "Build server", labels: { env: "production" } });
    const issued = await apiKeys.get({ apiKeyId });
    expect(issued).toMatchObject({ name: "Build server", labels: { env: "production" } });
    const labels = { env: "test", team: "core" };
    const { etag } = issued;
    const changed = await apiKeys.update({ apiKeyId, description: "Moved", labels, etag });
    expect(changed).toMatchObject({ name: "Build server", description: "Moved", labels });
    expect(await refusalOf(apiKeys.update({ apiKeyId, name: "Late", etag }))).toMatchObject({
      code: "aborted",
      reason: "ETAG_MISMATCH",
    });
    expect(await apiKeys.get({ apiKeyId })).toEqual(changed);
  });

  test.each([
    ["a label's name", { "Env!": "x" }],
    ["a label's length", { env: "x".repeat(256) }],
    ["a character that cannot be stored", { env: "a\0b" }],
    ["too many labels", Object.fromEntries([...Array(65).keys()].map((i) => [`l${i}`, ""]))],
  ])("breaks no rule: %s", async (_, labels) => {
    expect(await refusalOf(limited({ labels }))).toMatchObject({ reason: "FIELD_INVALID" });
  });
});

describe("a key's permissions", () => {
  test("are what both its service account and itself may", async () => {
    const { serviceAccountId } = await service.issueKey(["Accounts.read", "ApiKeys.read"]);
    const permissions = ["Accounts.read", "ServiceAccounts.read"];
    const key = await service.admin.apiKeys.issue({ serviceAccountId, permissions });
    const client = service.signed({ ...key, secretKey: key.secretKey, apiKeyId: key.id });
    expect((await client.whoAmI()).permissions).toEqual(["Accounts.read"]);
    await client.accounts.list().page();
    for (const call of [client.serviceAccounts.list(), client.apiKeys.list()]) {
      expect(await refusalOf(call.page())).toMatchObject({ reason: "PERMISSION_MISSING" });
    }
    await service.admin.apiKeys.update({ apiKeyId: key.id, permissions: null });
    await client.apiKeys.list().page();
    await service.admin.apiKeys.update({ apiKeyId: key.id, permissions: [] });
    expect((await client.whoAmI()).permissions).toEqual([]);
  });

  test("are all that it can hand out", async () => {
    const narrow = await limited({ permissions: ["ApiKeys.write", "ServiceAccounts.write"] });
    const client = service.signed(narrow);
    const { serviceAccountId } = narrow;
    const wider = ["ApiKeys.write", "Accounts.read"];
    const attempts = {
      "issue wider": () => client.apiKeys.issue({ serviceAccountId, permissions: wider }),
      "widen itself": () =>
        client.apiKeys.update({ apiKeyId: narrow.apiKeyId, permissions: wider }),
      "unlimit itself": () =>
        client.apiKeys.update({ apiKeyId: narrow.apiKeyId, permissions: null }),
      "make a service account": () =>
        client.serviceAccounts.create({ accountId: "acc-123", name: "x", permissions: wider }),
      "widen its service account": () =>
        client.serviceAccounts.update({ serviceAccountId, permissions: ["*"] }),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      expect(await refusalOf(attempt()), name).toMatchObject(escalation);
    }
    const permissions = ["ApiKeys.write"];
    const made = await client.apiKeys.issue({ serviceAccountId, permissions });
    expect(made.permissions).toEqual(permissions);
    // Without a limit of its own, what it makes has its limit, also when its service account gains.
    const same = await client.apiKeys.issue({ serviceAccountId });
    expect(same.permissions).toEqual(["ApiKeys.write", "ServiceAccounts.write"]);
  });

  test("of a wider key are not given back by a narrower one", async () => {
    const narrow = service.signed(await limited({ permissions: ["ApiKeys.write"] }));
    const wide = await service.issueKey(["*"]);
    await narrow.apiKeys.disable({ apiKeyId: wide.apiKeyId });
    const enable = narrow.apiKeys.enable({ apiKeyId: wide.apiKeyId });
    expect(await refusalOf(enable)).toMatchObject(escalation);
    const rotate = narrow.apiKeys.rotate({ apiKeyId: wide.apiKeyId });
    expect(await refusalOf(rotate)).toMatchObject(escalation);
  });

  test("must exist", async () => {
    const refusal = await refusalOf(limited({ permissions: ["Accounts.reed"] }));
    expect(refusal).toMatchObject({ reason: "FIELD_INVALID" });
    expect(refusal.message).toContain("permission_limit.permissions[0]");
  });
});

test("a limit is not lifted while it makes no difference", async () => {
  const permissions = ["ApiKeys.write", "ApiKeys.read"];
  const { serviceAccountId } = await service.issueKey(permissions);
  const key = await service.admin.apiKeys.issue({ serviceAccountId, permissions });
  const client = service.signed({ ...key, secretKey: key.secretKey, apiKeyId: key.id });
  const wider = [...permissions, "Organizations.write"];
  for (const wanted of [null, wider, ["*"]]) {
    const update = client.apiKeys.update({ apiKeyId: key.id, permissions: wanted });
    expect(await refusalOf(update), `${wanted}`).toMatchObject(escalation);
  }
  const issue = client.apiKeys.issue({ serviceAccountId, permissions: wider });
  expect(await refusalOf(issue)).toMatchObject(escalation);
});

test("a key that ends gives no power to what outlives it", async () => {
  const mortal = service.signed(await limited({ expireTime: inHours(1) }));
  const { admin } = service;
  const { apiKeyId, serviceAccountId } = await service.issueKey(["*"]);
  const weak = await service.issueKey(["ApiKeys.read"]);
  await admin.apiKeys.update({ apiKeyId: weak.apiKeyId, permissions: [] });
  await admin.apiKeys.disable({ apiKeyId });
  const attempts = {
    "enable a key": () => mortal.apiKeys.enable({ apiKeyId }),
    "widen a key": () => mortal.apiKeys.update({ apiKeyId: weak.apiKeyId, permissions: null }),
    "widen a service account": () =>
      mortal.serviceAccounts.update({
        serviceAccountId: weak.serviceAccountId,
        permissions: ["*"],
      }),
    "enable a service account": async () => {
      await admin.serviceAccounts.disable({ serviceAccountId });
      await mortal.serviceAccounts.enable({ serviceAccountId });
    },
    "undelete a service account": async () => {
      await admin.serviceAccounts.delete({ serviceAccountId });
      await mortal.serviceAccounts.undelete({ serviceAccountId });
    },
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(await refusalOf(attempt()), name).toMatchObject(escalation);
  }
  // To take power away is anybody's who may change keys.
  await mortal.apiKeys.disable({ apiKeyId: weak.apiKeyId });
});

describe("a key's life", () => {
  test("ends by itself, also of a cached key", async () => {
    const key = await limited({ expireTime: new Date(Date.now() + 1_500) });
    const client = service.signed(key);
    await client.organizations.getInfo();
    const outcome = () => client.organizations.getInfo().then(() => "OK", String);
    await expect.poll(outcome, { timeout: 5_000, interval: 100 }).not.toBe("OK");
    expect(await refusalOf(client.organizations.getInfo())).toMatchObject(refusedSignature);
    const [event] = await service.auditRows(
      "api_key_id = $1 and reason = 'API_KEY_EXPIRED'",
      [key.apiKeyId],
      1,
    );
    expect(event?.principal_id).toBe(key.serviceAccountId);
    const { apiKeys } = service.admin;
    expect(await apiKeys.get({ apiKeyId: key.apiKeyId })).toMatchObject({ state: "expired" });
    await apiKeys.update({ apiKeyId: key.apiKeyId, expireTime: inHours(1) });
    await client.organizations.getInfo();
  });

  test("cannot end in the past", async () => {
    const refusal = await refusalOf(limited({ expireTime: new Date(Date.now() - 1_000) }));
    expect(refusal).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
    expect(refusal.message).toContain("RevokeApiKey or DisableApiKey");
  });

  test("is no longer than the organization allows", async () => {
    const { organizations, apiKeys } = service.admin;
    const old = await limited({ expireTime: inHours(1_000) });
    const changed = await organizations.update({ maxApiKeyLifetimeSeconds: 24 * 3_600 });
    expect(changed.maxApiKeyLifetimeSeconds).toBe(24 * 3_600);
    try {
      expect(await refusalOf(limited({ expireTime: inHours(25) }))).toMatchObject({
        reason: "FIELD_INVALID",
      });
      const { apiKeyId } = await limited({});
      const { expireTime } = await apiKeys.get({ apiKeyId });
      expect(Math.abs(Number(expireTime) - Number(inHours(24)))).toBeLessThan(60_000);
      expect(await refusalOf(apiKeys.update({ apiKeyId, expireTime: inHours(25) }))).toMatchObject({
        reason: "FIELD_INVALID",
      });
      // What there was already keeps its end, and can be changed otherwise.
      const { expireTime: kept } = await apiKeys.update({ apiKeyId: old.apiKeyId, name: "Old" });
      expect(Number(kept)).toBeGreaterThan(Number(inHours(900)));
    } finally {
      await organizations.update({ maxApiKeyLifetimeSeconds: null });
    }
    expect((await organizations.getInfo()).maxApiKeyLifetimeSeconds).toBeUndefined();
  });

  test("bounds the life of what it makes", async () => {
    const end = inHours(10);
    const mortal = await limited({ expireTime: end });
    const client = service.signed(mortal);
    const { serviceAccountId, apiKeyId } = mortal;
    const made = await client.apiKeys.issue({ serviceAccountId });
    expect(made.expireTime).toEqual(end);
    const { key: successor } = await client.apiKeys.rotate({ apiKeyId });
    expect(Number(successor.expireTime)).toBeLessThanOrEqual(Number(end));
    const later = inHours(11);
    const immortal = await service.issueKey();
    const attempts = {
      issue: () => client.apiKeys.issue({ serviceAccountId, expireTime: later }),
      "lengthen its own": () => client.apiKeys.update({ apiKeyId, expireTime: later }),
      rotate: () => client.apiKeys.rotate({ apiKeyId: immortal.apiKeyId, expireTime: later }),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      expect(await refusalOf(attempt()), name).toMatchObject(escalation);
    }
  });

  test("that ends soon is listed, and announced once", async () => {
    const soon = await limited({ expireTime: inHours(24) });
    const late = await limited({ expireTime: inHours(24 * 30) });
    const never = await limited({});
    const revoked = await limited({ expireTime: inHours(24) });
    await service.admin.apiKeys.revoke({ apiKeyId: revoked.apiKeyId });
    const expiring = await Array.fromAsync(
      service.admin.apiKeys.list({ expireBefore: inHours(48) }),
    );
    const ids = expiring.map(({ id }) => id);
    expect(ids).toContain(soon.apiKeyId);
    for (const { apiKeyId } of [late, never, revoked]) expect(ids).not.toContain(apiKeyId);
    const { announceExpiries } = await import("../../src/rpc/announce-expiries.ts");
    await announceExpiries(service.service.app);
    await announceExpiries(service.service.app);
    const announced = await service.auditRows("action = 'AnnounceApiKeyExpiry'", [], 1);
    const about = announced.map(({ resource_id }) => resource_id);
    expect(about.filter((id) => id === soon.apiKeyId)).toHaveLength(1);
    for (const { apiKeyId } of [late, never, revoked]) expect(about).not.toContain(apiKeyId);
    await service.admin.apiKeys.update({ apiKeyId: soon.apiKeyId, expireTime: inHours(25) });
    await announceExpiries(service.service.app);
    const again = await service.auditRows(
      "action = 'AnnounceApiKeyExpiry' and resource_id = $1",
      [soon.apiKeyId],
      2,
    );
    expect(again).toHaveLength(2);
  });
});

describe("how many keys there may be", () => {
  test("is for the organization to say; revoked, expired and replaced ones do not count", async () => {
    const { organizations, apiKeys } = service.admin;
    const first = await service.issueKey();
    const { serviceAccountId } = first;
    await organizations.update({ maxApiKeysPerServiceAccount: 2 });
    try {
      const second = await apiKeys.issue({ serviceAccountId });
      const third = () => apiKeys.issue({ serviceAccountId });
      expect(await refusalOf(third())).toMatchObject({
        code: "resource_exhausted",
        reason: "LIMIT_REACHED",
      });
      await apiKeys.rotate({ apiKeyId: second.id });
      expect(await refusalOf(third())).toMatchObject({ reason: "LIMIT_REACHED" });
      await apiKeys.revoke({ apiKeyId: first.apiKeyId, reason: "Not needed any more" });
      await third();
      expect(await refusalOf(third())).toMatchObject({ reason: "LIMIT_REACHED" });
    } finally {
      await organizations.update({ maxApiKeysPerServiceAccount: 100 });
    }
  });

  test("holds for keys that are asked for at once", async () => {
    const { organizations, apiKeys } = service.admin;
    const { serviceAccountId } = await service.issueKey();
    await organizations.update({ maxApiKeysPerServiceAccount: 4 });
    try {
      const asked = Array.from({ length: 12 }, () => apiKeys.issue({ serviceAccountId }));
      const outcomes = await Promise.allSettled(asked);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    } finally {
      await organizations.update({ maxApiKeysPerServiceAccount: 100 });
    }
  });
});

test("an expired key comes back to life only where there is room for it", async () => {
  const { organizations, apiKeys } = service.admin;
  const expireTime = new Date(Date.now() + 500);
  const { serviceAccountId, apiKeyId } = await limited({ expireTime });
  const state = async () => (await apiKeys.get({ apiKeyId })).state;
  await expect.poll(state, { timeout: 5_000 }).toBe("expired");
  await organizations.update({ maxApiKeysPerServiceAccount: 2 });
  try {
    await apiKeys.issue({ serviceAccountId });
    const revive = apiKeys.update({ apiKeyId, expireTime: null });
    expect(await refusalOf(revive)).toMatchObject({ reason: "LIMIT_REACHED" });
  } finally {
    await organizations.update({ maxApiKeysPerServiceAccount: 100 });
  }
  await apiKeys.update({ apiKeyId, expireTime: null });
});

test("the end that a key has can be set again", async () => {
  const { organizations, apiKeys } = service.admin;
  await organizations.update({ maxApiKeyLifetimeSeconds: 24 * 3_600 });
  try {
    const { apiKeyId } = await limited({});
    const { expireTime } = await apiKeys.get({ apiKeyId });
    await apiKeys.update({ apiKeyId, expireTime });
  } finally {
    await organizations.update({ maxApiKeyLifetimeSeconds: null });
  }
});

describe("a key", () => {
  test("that is disabled is refused until it is enabled", async () => {
    const key = await service.issueKey();
    const client = service.signed(key);
    const { apiKeyId } = key;
    await client.organizations.getInfo();
    expect(await service.admin.apiKeys.disable({ apiKeyId })).toMatchObject({ state: "disabled" });
    expect(await refusalOf(client.organizations.getInfo())).toMatchObject(refusedSignature);
    expect(await service.admin.apiKeys.enable({ apiKeyId })).toMatchObject({ state: "active" });
    await client.organizations.getInfo();
  });

  test("that is revoked stays so, and says why", async () => {
    const { apiKeyId } = await service.issueKey();
    const { apiKeys } = service.admin;
    const revoked = await apiKeys.revoke({ apiKeyId, reason: "Laptop lost" });
    expect(revoked).toMatchObject({ state: "revoked", revokeReason: "Laptop lost" });
    const again = await apiKeys.revoke({ apiKeyId, reason: "Another reason" });
    expect(again).toEqual(revoked);
    const attempts = {
      enable: () => apiKeys.enable({ apiKeyId }),
      disable: () => apiKeys.disable({ apiKeyId }),
      update: () => apiKeys.update({ apiKeyId, name: "x" }),
      rotate: () => apiKeys.rotate({ apiKeyId }),
      retire: () => apiKeys.retire({ apiKeyId }),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      expect(await refusalOf(attempt()), name).toMatchObject({
        code: "failed_precondition",
        reason: "API_KEY_REVOKED",
      });
    }
  });

  test("is changed only by a mask that names what can be changed", async () => {
    const { apiKeyId } = await service.issueKey();
    const refusal = await refusalOf(service.admin.apiKeys.update({ apiKeyId }));
    expect(refusal).toMatchObject({ reason: "FIELD_MASK_INVALID" });
    expect(refusal.message).toContain("permission_limit");
  });
});
