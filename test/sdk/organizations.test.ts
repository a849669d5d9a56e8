import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

test("update changes what is given, and null takes the longest life of keys away", async () => {
  const { organizations, apiKeys } = service.admin;
  const before = await organizations.getInfo();
  expect(before.maxApiKeyLifetimeSeconds).toBeUndefined();
  expect(before.maxApiKeysPerServiceAccount).toBeGreaterThan(0);
  const day = 86_400;
  const limited = await organizations.update({ maxApiKeyLifetimeSeconds: day });
  expect(limited).toEqual({ ...before, maxApiKeyLifetimeSeconds: day });
  expect(await organizations.getInfo()).toEqual(limited);

  const { serviceAccountId } = await service.issueKey();
  const key = await apiKeys.issue({ serviceAccountId });
  expect(Math.abs(Number(key.expireTime) - Date.now() - day * 1_000)).toBeLessThan(60_000);
  const expireTime = new Date(Date.now() + 2 * day * 1_000);
  const longer = refusalOf(apiKeys.issue({ serviceAccountId, expireTime }));
  expect(await longer).toMatchObject({ reason: "FIELD_INVALID" });

  const freed = await organizations.update({ maxApiKeyLifetimeSeconds: null, name: "My own" });
  expect(freed).toEqual({ ...before, name: "My own" });
  const endless = await apiKeys.issue({ serviceAccountId });
  expect(endless.expireTime).toBeUndefined();
});

test("the number of keys of a service account is limited", async () => {
  const { organizations, apiKeys } = service.admin;
  const { maxApiKeysPerServiceAccount } = await organizations.getInfo();
  const { serviceAccountId } = await service.issueKey();
  await organizations.update({ maxApiKeysPerServiceAccount: 1 });
  const issue = refusalOf(apiKeys.issue({ serviceAccountId }));
  expect(await issue).toMatchObject({ reason: "LIMIT_REACHED" });
  await organizations.update({ maxApiKeysPerServiceAccount });
  await apiKeys.issue({ serviceAccountId });
});

test("the audit log is kept for ever, or for some days", async () => {
  const { organizations } = service.admin;
  const before = await organizations.getInfo();
  expect(before.auditRetentionSeconds).toBeUndefined();
  const auditRetentionSeconds = 400 * 86_400;
  const limited = await organizations.update({ auditRetentionSeconds });
  expect(limited).toEqual({ ...before, auditRetentionSeconds });
  expect(await organizations.update({ auditRetentionSeconds: null })).toEqual(before);
  const short = refusalOf(organizations.update({ auditRetentionSeconds: 86_400 }));
  expect(await short).toMatchObject({ reason: "FIELD_INVALID" });
});
