import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const minute = 60_000;

async function used(key: TestKey): Promise<void> {
  await service.signed(key).organizations.getInfo();
  const lastUse = async () => (await service.admin.apiKeys.get({ apiKeyId: key.apiKeyId })).lastUse;
  await expect.poll(lastUse, { timeout: 10_000 }).toBeDefined();
}

describe("a rotation", () => {
  test("makes a successor with the same limits, and lets the old key go on for a while", async () => {
    const { serviceAccountId } = await service.issueKey(["*"]);
    const { apiKeys, allowlists } = service.admin;
    const old = await apiKeys.issue({
      serviceAccountId,
      name: "Build server",
      description: "In the cellar",
      labels: { env: "production" },
      permissions: ["Accounts.read"],
      rateLimit: { requestsPerSecond: 50, burst: 70 },
      expireTime: new Date(Date.now() + 1_000 * minute),
    });
    await allowlists.add({ resourceId: old.id, cidr: "127.0.0.0/8", description: "Here" });
    await allowlists.setReportOnly({ resourceId: old.id, reportOnly: true });
    const { key, predecessor } = await apiKeys.rotate({ apiKeyId: old.id, overlapSeconds: 3_600 });
    const same = ["name", "description", "labels", "permissions", "rateLimit"] as const;
    for (const field of same) expect(key[field], field).toEqual(old[field]);
    expect(Math.abs(Number(key.expireTime) - Number(old.expireTime))).toBeLessThan(minute);
    expect(key.predecessorId).toBe(old.id);
    expect(predecessor).toMatchObject({ id: old.id, successorId: key.id, state: "active" });
    expect(Math.abs(Number(predecessor.retireTime) - Date.now() - 60 * minute)).toBeLessThan(
      minute,
    );
    const [entry] = (await allowlists.list({ resourceId: key.id }).page()).items;
    expect(entry).toMatchObject({ cidr: "127.0.0.0/8", description: "Here" });
    expect((await allowlists.getAllowlist({ resourceId: key.id })).reportOnly).toBe(true);
    for (const each of [old, key]) {
      const signed = { ...each, secretKey: each.secretKey, apiKeyId: each.id, serviceAccountId };
      await service.signed(signed).accounts.list().page();
    }
  });

  test("shows whether the successor is used, and ends only when the old key is not", async () => {
    const { apiKeys } = service.admin;
    const old = await service.issueKey();
    await used(old);
    const { apiKeyId } = old;
    const tooShort = await refusalOf(apiKeys.rotate({ apiKeyId, overlapSeconds: 60 }));
    expect(tooShort).toMatchObject({ code: "failed_precondition", reason: "API_KEY_IN_USE" });
    const { key, predecessor } = await apiKeys.rotate({ apiKeyId });
    expect(predecessor.lastUse).toMatchObject({ rpc: "GetOrganization", address: "127.0.0.1" });
    expect(predecessor.successorLastUse).toBeUndefined();
    expect(await refusalOf(apiKeys.retire({ apiKeyId }))).toMatchObject({
      code: "failed_precondition",
      reason: "API_KEY_IN_USE",
    });
    await used({ ...old, accessKey: key.accessKey, secretKey: key.secretKey, apiKeyId: key.id });
    expect((await apiKeys.get({ apiKeyId })).successorLastUse).toBeDefined();
    expect(await apiKeys.retire({ apiKeyId, force: true })).toMatchObject({ state: "expired" });
    expect(await refusalOf(service.signed(old).organizations.getInfo())).toMatchObject({
      reason: "SIGNATURE_INVALID",
    });
    const retired = await apiKeys.get({ apiKeyId });
    expect(await apiKeys.retire({ apiKeyId })).toEqual(retired);
  });

  test("whose answer was lost is had again with its secret, and makes no second successor", async () => {
    const { apiKeyId } = await service.issueKey();
    const requestId = crypto.randomUUID();
    const rotate = () => service.admin.apiKeys.rotate({ apiKeyId, requestId });
    const [first, second] = [await rotate(), await rotate()];
    expect(second.key.secretKey).toBe(first.key.secretKey);
    expect(second.key.id).toBe(first.key.id);
    const other = service.admin.apiKeys.rotate({ apiKeyId });
    expect(await refusalOf(other)).toMatchObject({ reason: "API_KEY_ALREADY_ROTATED" });
  });

  test("that is asked for many times at once happens once", async () => {
    const { apiKeyId } = await service.issueKey();
    const asked = Array.from({ length: 10 }, () => service.admin.apiKeys.rotate({ apiKeyId }));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("can be made again when its successor was revoked", async () => {
    const { apiKeys } = service.admin;
    const { apiKeyId } = await service.issueKey();
    const { key } = await apiKeys.rotate({ apiKeyId });
    await apiKeys.revoke({ apiKeyId: key.id });
    const again = await apiKeys.rotate({ apiKeyId });
    expect((await apiKeys.get({ apiKeyId })).successorId).toBe(again.key.id);
  });

  test("is needed before a key can be retired", async () => {
    const { apiKeyId } = await service.issueKey();
    expect(await refusalOf(service.admin.apiKeys.retire({ apiKeyId }))).toMatchObject({
      code: "failed_precondition",
      reason: "API_KEY_NOT_ROTATED",
    });
  });

  test("of a key of a disabled service account is refused", async () => {
    const { apiKeyId, serviceAccountId } = await service.issueKey();
    await service.admin.serviceAccounts.disable({ serviceAccountId });
    expect(await refusalOf(service.admin.apiKeys.rotate({ apiKeyId }))).toMatchObject({
      reason: "RESOURCE_DISABLED",
    });
  });

  test("neither lengthens nor shortens the life that the old key was given", async () => {
    const { serviceAccountId } = await service.issueKey();
    const { apiKeys } = service.admin;
    const expireTime = new Date(Date.now() + 5 * minute);
    const { id } = await apiKeys.issue({ serviceAccountId, expireTime });
    expect((await apiKeys.rotate({ apiKeyId: id })).predecessor.expireTime).toEqual(expireTime);
    const { apiKeyId } = await service.issueKey();
    const { key } = await apiKeys.rotate({ apiKeyId });
    await apiKeys.revoke({ apiKeyId: key.id });
    expect((await apiKeys.rotate({ apiKeyId })).key.expireTime).toBeUndefined();
  });

  test("has an overlap that can be made longer, but not taken back", async () => {
    const { apiKeyId } = await service.issueKey();
    const { apiKeys } = service.admin;
    const inAWeek = new Date(Date.now() + 7 * 24 * 60 * minute);
    const later = (retireTime: Date) => apiKeys.update({ apiKeyId, retireTime });
    expect(await refusalOf(later(inAWeek))).toMatchObject({ reason: "API_KEY_NOT_ROTATED" });
    const { key } = await apiKeys.rotate({ apiKeyId });
    expect(await later(inAWeek)).toMatchObject({ retireTime: inAWeek });
    for (const days of [-1, 91]) {
      const time = new Date(Date.now() + days * 24 * 60 * minute);
      expect(await refusalOf(later(time)), `${days}`).toMatchObject({ reason: "FIELD_INVALID" });
    }
    expect(await apiKeys.update({ apiKeyId, expireTime: null })).toMatchObject({
      retireTime: inAWeek,
    });
    await apiKeys.revoke({ apiKeyId: key.id });
    const retire = apiKeys.retire({ apiKeyId, force: true });
    expect(await refusalOf(retire)).toMatchObject({ reason: "API_KEY_NOT_ROTATED" });
  });

  test("bounds what the old key makes by the time that it is retired", async () => {
    const old = await service.issueKey();
    const { serviceAccountId, apiKeyId } = old;
    const { predecessor } = await service.admin.apiKeys.rotate({ apiKeyId, overlapSeconds: 3_600 });
    const client = service.signed(old);
    const made = await client.apiKeys.issue({ serviceAccountId });
    expect(made.expireTime).toEqual(predecessor.retireTime);
    const later = new Date(Date.now() + 80 * 24 * 60 * minute);
    const attempts = {
      issue: () => client.apiKeys.issue({ serviceAccountId, expireTime: later }),
      "retire later": () => client.apiKeys.update({ apiKeyId, retireTime: later }),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      expect(await refusalOf(attempt()), name).toMatchObject({ reason: "PERMISSION_ESCALATION" });
    }
  });

  test("sees a use of a moment ago", async () => {
    const key = await service.issueKey();
    const { apiKeyId } = key;
    await service.admin.apiKeys.rotate({ apiKeyId });
    await service.signed(key).organizations.getInfo();
    const retire = service.admin.apiKeys.retire({ apiKeyId });
    expect(await refusalOf(retire)).toMatchObject({ reason: "API_KEY_IN_USE" });
  });

  test("is asked for again by the same labels in another order", async () => {
    const { serviceAccountId } = await service.issueKey();
    const requestId = crypto.randomUUID();
    const issue = (labels: Record<string, string>) =>
      service.admin.apiKeys.issue({ serviceAccountId, labels, requestId });
    const first = await issue({ a: "1", b: "2" });
    expect((await issue({ b: "2", a: "1" })).id).toBe(first.id);
    expect(await refusalOf(issue({ a: "2", b: "1" }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });
});
