import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey(["ServiceAccounts.write"]);
  const client = service.signed(key);
  await client.serviceAccounts.create({ accountId: "acc-123", name: "By the key" });
  await client.accounts.get({ accountId: "acc-123" }).catch(() => {});
  await service.auditRows("reason = 'PERMISSION_MISSING'", [], 1);
});
afterAll(() => service[Symbol.asyncDispose]());

async function listed(filter: Parameters<typeof service.admin.auditEvents.list>[0]) {
  return Array.fromAsync(service.admin.auditEvents.list(filter));
}

test("every step is there, the newest first", async () => {
  const events = await listed({});
  expect(events.map(({ action }) => action)).toEqual([
    "GetAccount",
    "CreateServiceAccount",
    "IssueApiKey",
    "CreateServiceAccount",
    "Login",
    "CreateFirstOrganization",
  ]);
  expect(events[1]).toMatchObject({
    principalType: "service_account",
    principalId: key.serviceAccountId,
    apiKeyId: key.apiKeyId,
    resourceType: "ServiceAccount",
    outcome: "ok",
    address: "127.0.0.1",
  });
  expect(events[1]?.userAgent).toContain("pdaas-typescript");
});

test("the filters choose by principal, action, resource, outcome and time", async () => {
  const byKey = await listed({ principalId: key.serviceAccountId });
  expect(byKey.map(({ action }) => action)).toEqual(["GetAccount", "CreateServiceAccount"]);
  const issued = await listed({ action: "IssueApiKey" });
  expect(issued.map(({ resourceId }) => resourceId)).toEqual([key.apiKeyId]);
  const created = await listed({ resourceId: key.serviceAccountId });
  expect(created.map(({ action }) => action)).toEqual(["CreateServiceAccount"]);
  const refused = await listed({ outcome: "refused" });
  expect(refused.map(({ reason }) => reason)).toEqual(["PERMISSION_MISSING"]);
  const all = await listed({});
  const middle = all[2]?.time;
  if (middle === undefined) throw new Error("no time");
  const before = await listed({ endTime: middle });
  const after = await listed({ startTime: middle });
  expect(before.length + after.length).toBe(all.length);
  expect(after.length).toBeGreaterThan(0);
});

test.each(["abc", "1-2", "9".repeat(20)])(
  "a page token of one's own making is refused: %s",
  async (cursor) => {
    const { nextPageToken } = await service.admin.auditEvents.list({ pageSize: 1 }).page();
    const mark = Buffer.from(nextPageToken ?? "", "base64url")
      .toString()
      .split(":")[0];
    const pageToken = Buffer.from(`${mark}:${cursor}`).toString("base64url");
    const forged = service.admin.auditEvents.list({ pageToken }).page();
    expect(await refusalOf(forged)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  },
);

test.each([9_000_000_000_000_000n, -400_000_000_000n])(
  "a time that is none is refused: %s",
  async (seconds) => {
    const client = createClient(
      AuditService,
      signedTransport("connect-node gRPC, gRPC server", service, await service.issueKey()),
    );
    const listed = client.listAuditEvents({ startTime: { seconds, nanos: 0 } });
    expect(await refusalOf(listed)).toMatchObject({ reason: "FIELD_INVALID" });
  },
);

test("pages follow each other, and a page token is good for its own filters only", async () => {
  const first = await service.admin.auditEvents.list({ pageSize: 2 }).page();
  expect(first.items).toHaveLength(2);
  const second = await service.admin.auditEvents
    .list({ pageSize: 2, pageToken: first.nextPageToken })
    .page();
  expect(second.items.map(({ id }) => id)).not.toContain(first.items[1]?.id);
  const other = service.admin.auditEvents
    .list({ action: "Login", pageToken: first.nextPageToken })
    .page();
  expect(await refusalOf(other)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
});
