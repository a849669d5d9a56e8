import type { Interceptor } from "@connectrpc/connect";
import { type AllowlistEntry, Client } from "pdaas";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { refusalOf, withHeaders } from "../harness/clients.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let admin: Client;
let key: TestKey;

beforeAll(async () => {
  // What the proxy on loopback says is where a call comes from.
  service = await TestService.start({ PDAAS_TRUSTED_PROXIES: "127.0.0.1/32" });
  admin = service.admin;
});
beforeEach(async () => {
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

const inside = "203.0.113.7";
const outside = "198.51.100.7";
const cidr = "203.0.113.0/24";
const notAllowed = { code: "permission_denied", reason: "ADDRESS_NOT_ALLOWED" };

function callFrom(address: string) {
  const interceptors: Interceptor[] = [withHeaders({ "x-forwarded-for": address })];
  const { accessKey, secretKey } = key;
  return new Client({ baseUrl: service.httpUrl, accessKey, secretKey, interceptors }).whoAmI();
}

test("an entry: added, got, listed, updated and removed", async () => {
  const resourceId = key.serviceAccountId;
  const expireTime = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
  const entry = await admin.allowlists.add({ resourceId, cidr, description: "Office", expireTime });
  expect(entry).toEqual({
    id: expect.stringMatching(/^alw_/),
    resourceId,
    cidr,
    description: "Office",
    expireTime,
    createTime: expect.any(Date),
  });
  const { id: allowlistEntryId } = entry;
  expect(await admin.allowlists.get({ allowlistEntryId })).toEqual(entry);
  await admin.allowlists.add({ resourceId, cidr: "2001:db8::/32" });
  const listed: AllowlistEntry[] = [];
  for await (const one of admin.allowlists.list({ resourceId, pageSize: 1 })) listed.push(one);
  expect(listed.map((one) => one.cidr)).toEqual([cidr, "2001:db8::/32"]);

  const renamed = await admin.allowlists.update({ allowlistEntryId, description: "Branch" });
  expect(renamed).toEqual({ ...entry, description: "Branch" });
  const lasting = await admin.allowlists.update({ allowlistEntryId, expireTime: null });
  expect(lasting).toEqual({ ...renamed, expireTime: undefined });

  expect(await admin.allowlists.remove({ allowlistEntryId })).toBeUndefined();
  const gone = refusalOf(admin.allowlists.get({ allowlistEntryId }));
  expect(await gone).toMatchObject({ code: "not_found" });
});

test("repeated with its request id: one entry", async () => {
  const resourceId = key.serviceAccountId;
  const requestId = crypto.randomUUID();
  const first = await admin.allowlists.add({ resourceId, cidr, requestId });
  expect(await admin.allowlists.add({ resourceId, cidr, requestId })).toEqual(first);
  expect((await admin.allowlists.list({ resourceId }).page()).items).toEqual([first]);
});

test.each(["API key", "service account"] as const)(
  "the list of an %s restricts from its first entry to its last, at once",
  async (level) => {
    const resourceId = level === "API key" ? key.apiKeyId : key.serviceAccountId;
    await callFrom(outside);
    const entry = await admin.allowlists.add({ resourceId, cidr });
    await callFrom(inside);
    expect(await refusalOf(callFrom(outside))).toMatchObject(notAllowed);
    const name = level === "API key" ? "api_key" : "service_account";
    const list = { resourceId, level: name, reportOnly: false, entryCount: 1 };
    expect(await admin.allowlists.getAllowlist({ resourceId })).toEqual(list);
    await admin.allowlists.remove({ allowlistEntryId: entry.id });
    await callFrom(outside);
  },
);

test("a list that only reports admits, and the audit log tells what it would have refused", async () => {
  const resourceId = key.apiKeyId;
  const list = await admin.allowlists.setReportOnly({ resourceId, reportOnly: true });
  expect(list).toMatchObject({ resourceId, reportOnly: true, entryCount: 0 });
  await admin.allowlists.add({ resourceId, cidr });
  await callFrom(outside);
  await expect
    .poll(
      async () => {
        const events = admin.auditEvents.list({
          outcome: "reported",
          principalId: key.serviceAccountId,
        });
        return (await events.page()).items.map(({ outcome, address }) => ({ outcome, address }));
      },
      { timeout: 10_000 },
    )
    .toContainEqual({ outcome: "reported", address: outside });
  await admin.allowlists.setReportOnly({ resourceId, reportOnly: false });
  expect(await refusalOf(callFrom(outside))).toMatchObject(notAllowed);
});

test("testAddress tells what each list says, and which decides", async () => {
  await admin.allowlists.add({ resourceId: key.serviceAccountId, cidr: "203.0.0.0/8" });
  const entry = await admin.allowlists.add({ resourceId: key.apiKeyId, cidr });
  const resourceId = key.apiKeyId;
  const admitted = await admin.allowlists.testAddress({ resourceId, address: inside });
  expect(admitted).toMatchObject({ allowed: true, decidingResourceId: undefined });
  expect(admitted.verdicts.map(({ level, outcome }) => [level, outcome])).toEqual([
    ["organization", "unrestricted"],
    ["account", "unrestricted"],
    ["service_account", "allowed"],
    ["api_key", "allowed"],
  ]);
  expect(admitted.verdicts[3]?.entry).toEqual(entry);
  const refused = await admin.allowlists.testAddress({ resourceId, address: outside });
  expect(refused).toMatchObject({ allowed: false, decidingResourceId: key.serviceAccountId });
  expect(refused.verdicts.map(({ outcome }) => outcome).slice(2)).toEqual(["refused", "refused"]);
  expect(refused.verdicts[3]?.entry).toBeUndefined();
});

test("suggest tells where the calls came from", async () => {
  for (const address of [outside, inside, inside, "2001:db8::1"]) await callFrom(address);
  const resourceId = key.apiKeyId;
  await admin.allowlists.setReportOnly({ resourceId, reportOnly: true });
  await admin.allowlists.add({ resourceId, cidr });
  const one = (suggested: string, calls: number, covered: boolean) => {
    return { cidr: suggested, calls, covered, lastTime: expect.any(Date) };
  };
  const read = () => admin.allowlists.suggest({ resourceId });
  await expect.poll(read, { timeout: 20_000 }).toHaveLength(3);
  const suggestions = await read();
  expect(suggestions[0]).toEqual(one(`${inside}/32`, 2, true));
  expect(suggestions).toContainEqual(one(`${outside}/32`, 1, false));
  expect(suggestions).toContainEqual(one("2001:db8::/64", 1, false));
});

test("a change that would refuse its own caller: refused, unless it is forced", async () => {
  const resourceId = service.organizationId;
  const add = admin.allowlists.add({ resourceId, cidr });
  const told = { reason: "CALLER_LOCKED_OUT", metadata: { address: "127.0.0.1" } };
  await expect(add).rejects.toMatchObject(told);
  const forced = await admin.allowlists.add({ resourceId, cidr, force: true });
  expect(await refusalOf(admin.whoAmI())).toMatchObject(notAllowed);
  const login = { baseUrl: service.httpUrl, ...administrator };
  const headers: Interceptor[] = [withHeaders({ "x-forwarded-for": inside })];
  const insider = new Client({ ...login, interceptors: headers });
  await insider.allowlists.remove({ allowlistEntryId: forced.id });
  await admin.whoAmI();
  await insider.close();
});
