import { createClient } from "@connectrpc/connect";
import { Client } from "pdaas";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { refusalOf, transport, withHeaders } from "../harness/clients.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";

let service: TestService;

// Calls come from wherever a test wants them to, by way of a proxy that is trusted.
beforeAll(async () => {
  service = await TestService.start({ PDAAS_TRUSTED_PROXIES: "127.0.0.1/32" });
});
afterAll(() => service[Symbol.asyncDispose]());

afterEach(async () => {
  const lists = [service.organizationId, service.first.accountId];
  const statement = "delete from allowlists where resource_id = any($1)";
  await service.database.query(statement, [lists]);
  await service.database.query(
    "update organizations set access_epoch = access_epoch + 1, access_epoch_time = clock_timestamp()",
  );
  service.service.app.credentials.clear();
});

const from = (address: string) => [withHeaders({ "x-forwarded-for": address })];
const notAllowed = { code: "permission_denied", reason: "ADDRESS_NOT_ALLOWED" };

function signed(key: TestKey, address: string, transport: "connect" | "grpc" = "connect"): Client {
  const baseUrl = transport === "grpc" ? service.grpcUrl : service.httpUrl;
  return new Client({ baseUrl, transport, ...key, interceptors: from(address) });
}

const works = (client: Client) => client.organizations.getInfo();

const levels = ["organization", "account", "service account", "API key"] as const;

/** Whose list a level's is, for a key. */
function resourceOf(key: TestKey, level: (typeof levels)[number]): string {
  return {
    organization: service.organizationId,
    account: service.first.accountId,
    "service account": key.serviceAccountId,
    "API key": key.apiKeyId,
  }[level];
}

describe.each(levels)("the allowlist of the %s", (level) => {
  test.each(["connect", "grpc"] as const)("decides over %s", async (transport) => {
    const key = await service.issueKey();
    const inside = signed(key, "203.0.113.7", transport);
    const outside = signed(key, "203.0.114.7", transport);
    await works(outside);
    const resourceId = resourceOf(key, level);
    const { allowlists } = service.admin;
    const cidr = "203.0.113.0/24";
    const entry = await allowlists.add({ resourceId, cidr, force: true });
    await works(inside);
    const refusal = await refusalOf(works(outside));
    expect(refusal).toMatchObject(notAllowed);
    expect(refusal.message).toContain("203.0.114.7");
    const reason = `ADDRESS_NOT_ALLOWED_BY_${level.toUpperCase().replace(" ", "_")}`;
    const recorded = "api_key_id = $1 and reason = $2";
    const [event] = await service.auditRows(recorded, [key.apiKeyId, reason], 1);
    expect(event).toMatchObject({
      address: "203.0.114.7",
      principal_id: key.serviceAccountId,
      outcome: AuditOutcome.REFUSED,
    });
    await insider().allowlists.remove({ allowlistEntryId: entry.id, force: true });
    await works(outside);
  });
});

/** The administrator, from an address that the lists of these tests contain. */
function insider(): Client {
  const interceptors = from("203.0.113.99");
  return new Client({ baseUrl: service.httpUrl, ...administrator, interceptors });
}

test("all levels must agree", async () => {
  const key = await service.issueKey();
  const { allowlists } = service.admin;
  await allowlists.add({ resourceId: key.serviceAccountId, cidr: "203.0.113.0/24" });
  await allowlists.add({ resourceId: key.apiKeyId, cidr: "203.0.113.128/25" });
  await works(signed(key, "203.0.113.200"));
  for (const address of ["203.0.113.7", "203.0.114.200"]) {
    expect(await refusalOf(works(signed(key, address))), address).toMatchObject(notAllowed);
  }
});

test("IPv6, and IPv4 in the form of IPv6, are what they are", async () => {
  const key = await service.issueKey();
  const { allowlists } = service.admin;
  await allowlists.add({ resourceId: key.apiKeyId, cidr: "2001:db8::/32" });
  await allowlists.add({ resourceId: key.apiKeyId, cidr: "203.0.113.0/24" });
  for (const address of ["2001:db8:1::1", "::ffff:203.0.113.7", "[2001:db8::2]:4711"]) {
    await works(signed(key, address));
  }
  for (const address of ["2001:db9::1", "::ffff:203.0.114.7", "unknown", "0313.0.113.7"]) {
    expect(await refusalOf(works(signed(key, address))), address).toMatchObject(notAllowed);
  }
});

test("an address is not told to be wrong before the secret is proven", async () => {
  const key = await service.issueKey();
  await service.admin.allowlists.add({ resourceId: key.apiKeyId, cidr: "203.0.113.0/24" });
  const thief = signed({ ...key, secretKey: `${key.secretKey}x` }, "198.51.100.1");
  expect(await refusalOf(works(thief))).toMatchObject({ reason: "SIGNATURE_INVALID" });
});

describe("an entry", () => {
  test.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["fe80::1%eth0/128", "fe80::1/128"],
    ["0x7f.0.0.0/8", "127.0.0.0/8"],
  ])("%s is refused, and %s is offered", async (cidr, offered) => {
    const { apiKeyId } = await service.issueKey();
    const refusal = await refusalOf(service.admin.allowlists.add({ resourceId: apiKeyId, cidr }));
    expect(refusal).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
    expect(refusal.message).toContain(offered);
  });

  test("that has expired admits nobody, and the list goes on to restrict", async () => {
    const key = await service.issueKey();
    const { allowlists } = service.admin;
    const expireTime = new Date(Date.now() + 1_200);
    const { id } = await allowlists.add({
      resourceId: key.apiKeyId,
      cidr: "203.0.113.0/24",
      expireTime,
    });
    const client = signed(key, "203.0.113.7");
    await works(client);
    const outcome = () => works(client).then(() => "OK", String);
    await expect.poll(outcome, { timeout: 5_000, interval: 100 }).not.toBe("OK");
    expect(await refusalOf(works(client))).toMatchObject(notAllowed);
    await allowlists.update({ allowlistEntryId: id, expireTime: null });
    await works(client);
  });

  test("is there once, with its description, and can be read, changed and removed", async () => {
    const { apiKeyId: resourceId } = await service.issueKey();
    const { allowlists } = service.admin;
    const cidr = "198.51.100.0/24";
    const requestId = crypto.randomUUID();
    const add = () => allowlists.add({ resourceId, cidr, description: "Office", requestId });
    const entry = await add();
    expect(await add()).toEqual(entry);
    expect(await refusalOf(allowlists.add({ resourceId, cidr }))).toMatchObject({
      code: "already_exists",
      reason: "RESOURCE_ALREADY_EXISTS",
    });
    const { id: allowlistEntryId } = entry;
    const changed = await allowlists.update({ allowlistEntryId, description: "Old office" });
    expect(changed).toEqual({ ...entry, description: "Old office" });
    expect(await allowlists.get({ allowlistEntryId })).toEqual(changed);
    expect((await allowlists.list({ resourceId }).page()).items).toEqual([changed]);
    expect(await allowlists.getAllowlist({ resourceId })).toEqual({
      resourceId,
      level: "api_key",
      reportOnly: false,
      entryCount: 1,
    });
    await allowlists.remove({ allowlistEntryId });
    expect(await refusalOf(allowlists.get({ allowlistEntryId }))).toMatchObject({
      reason: "RESOURCE_NOT_FOUND",
    });
  });

  test("cannot expire in the past", async () => {
    const { apiKeyId: resourceId } = await service.issueKey();
    const expireTime = new Date(Date.now() - 1_000);
    const add = service.admin.allowlists.add({ resourceId, cidr: "192.0.2.0/24", expireTime });
    expect(await refusalOf(add)).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("is one of at most 100", async () => {
    const { apiKeyId: resourceId } = await service.issueKey();
    const add = (i: number) => service.admin.allowlists.add({ resourceId, cidr: `10.0.${i}.0/24` });
    for (let i = 0; i < 100; i++) await add(i);
    expect(await refusalOf(add(100))).toMatchObject({
      code: "resource_exhausted",
      reason: "LIMIT_REACHED",
    });
  });
});

describe("a list that only reports", () => {
  test("admits what it would have refused, and records it once", async () => {
    const key = await service.issueKey();
    const { allowlists } = service.admin;
    const resourceId = key.apiKeyId;
    await allowlists.setReportOnly({ resourceId, reportOnly: true });
    await allowlists.add({ resourceId, cidr: "203.0.113.0/24" });
    for (let call = 0; call < 5; call++) await works(signed(key, "198.51.100.1"));
    await works(signed(key, "203.0.113.1"));
    const events = await service.auditRows("resource_id = $1 and outcome = 3", [resourceId], 1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      resource_type: "Allowlist",
      reason: "ADDRESS_NOT_ALLOWED_BY_API_KEY",
      address: "198.51.100.1",
      api_key_id: key.apiKeyId,
    });
    const { items } = await service.admin.auditEvents.list({ outcome: "reported" }).page();
    expect(items.map(({ resourceId }) => resourceId)).toContain(resourceId);
    await allowlists.setReportOnly({ resourceId, reportOnly: false });
    expect(await refusalOf(works(signed(key, "198.51.100.1")))).toMatchObject(notAllowed);
  });
});

describe("TestAddress", () => {
  test("says what each level makes of an address, and which decides", async () => {
    const key = await service.issueKey();
    const { allowlists } = service.admin;
    await allowlists.add({ resourceId: key.serviceAccountId, cidr: "203.0.113.0/24" });
    await allowlists.add({ resourceId: key.apiKeyId, cidr: "203.0.113.128/25" });
    const tested = await allowlists.testAddress({
      resourceId: key.apiKeyId,
      address: "::ffff:203.0.113.7",
    });
    expect(tested).toMatchObject({ allowed: false, decidingResourceId: key.apiKeyId });
    expect(tested.verdicts.map(({ level, outcome }) => [level, outcome])).toEqual([
      ["organization", "unrestricted"],
      ["account", "unrestricted"],
      ["service_account", "allowed"],
      ["api_key", "refused"],
    ]);
    expect(tested.verdicts[2]?.entry?.cidr).toBe("203.0.113.0/24");
    const inside = { resourceId: key.apiKeyId, address: "203.0.113.200" };
    expect(await allowlists.testAddress(inside)).toMatchObject({ allowed: true });
    await allowlists.setReportOnly({ resourceId: key.apiKeyId, reportOnly: true });
    const reported = await allowlists.testAddress({ ...inside, address: "203.0.113.7" });
    expect(reported.allowed).toBe(true);
    expect(reported.verdicts[3]?.outcome).toBe("reported");
  });

  test.each(["10.0.0.0/8", "010.0.0.1", "fe80::1%1", "localhost", "127.1"])(
    "takes no %s for an address",
    async (address) => {
      const { apiKeyId: resourceId } = await service.issueKey();
      const refusal = await refusalOf(
        service.admin.allowlists.testAddress({ resourceId, address }),
      );
      expect(refusal).toMatchObject({ reason: "FIELD_INVALID" });
    },
  );
});

test("past use suggests entries, IPv6 by the network", async () => {
  const key = await service.issueKey();
  const addresses = ["203.0.113.7", "203.0.113.7", "2001:db8::1", "2001:db8::2", "2001:db8::3"];
  for (const address of addresses) await works(signed(key, address));
  const { allowlists } = service.admin;
  const suggest = (resourceId: string) => allowlists.suggest({ resourceId });
  await expect.poll(async () => (await suggest(key.apiKeyId)).length, { timeout: 10_000 }).toBe(2);
  const suggestions = await suggest(key.serviceAccountId);
  expect(suggestions.map(({ cidr, calls, covered }) => [cidr, calls, covered])).toEqual([
    ["2001:db8::/64", 3, false],
    ["203.0.113.7/32", 2, false],
  ]);
  await allowlists.add({ resourceId: key.apiKeyId, cidr: "203.0.113.0/24" });
  const [, covered] = await suggest(key.apiKeyId);
  expect(covered).toMatchObject({ cidr: "203.0.113.7/32", covered: true });
  const ofAccount = await suggest(service.first.accountId);
  expect(ofAccount.map(({ cidr }) => cidr)).toContain("2001:db8::/64");
});

describe("a change that would refuse its own caller's address", () => {
  const lockedOut = { code: "failed_precondition", reason: "CALLER_LOCKED_OUT" };

  test("is refused to a user, unless forced", async () => {
    const { allowlists } = service.admin;
    const resourceId = service.organizationId;
    const elsewhere = { resourceId, cidr: "198.51.100.0/24" };
    expect(await refusalOf(allowlists.add(elsewhere))).toMatchObject(lockedOut);
    expect((await allowlists.list({ resourceId }).page()).items).toEqual([]);
    const here = await allowlists.add({ resourceId, cidr: "127.0.0.0/8" });
    await allowlists.add(elsewhere);
    const remove = { allowlistEntryId: here.id };
    expect(await refusalOf(allowlists.remove(remove))).toMatchObject(lockedOut);
    await allowlists.setReportOnly({ resourceId, reportOnly: true });
    await allowlists.remove(remove);
    const enforce = { resourceId, reportOnly: false };
    expect(await refusalOf(allowlists.setReportOnly(enforce))).toMatchObject(lockedOut);
    await allowlists.setReportOnly({ ...enforce, force: true });
    expect(await refusalOf(service.admin.serviceAccounts.list().page())).toMatchObject(notAllowed);
  });

  test("is refused to a user whose own address would be admitted for a while only", async () => {
    const { allowlists } = service.admin;
    const resourceId = service.organizationId;
    const here = { resourceId, cidr: "127.0.0.0/8" };
    const expireTime = new Date(Date.now() + 3_600_000);
    expect(await refusalOf(allowlists.add({ ...here, expireTime }))).toMatchObject(lockedOut);
    const lasting = await allowlists.add(here);
    const ending = { allowlistEntryId: lasting.id, expireTime };
    expect(await refusalOf(allowlists.update(ending))).toMatchObject(lockedOut);
    await allowlists.remove({ allowlistEntryId: lasting.id });
  });

  test("is refused to a key, on its own lists", async () => {
    const key = await service.issueKey();
    const client = signed(key, "203.0.113.7");
    for (const level of ["API key", "service account", "account"] as const) {
      const resourceId = resourceOf(key, level);
      const add = client.allowlists.add({ resourceId, cidr: "198.51.100.0/24" });
      expect(await refusalOf(add), level).toMatchObject(lockedOut);
      await client.allowlists.add({ resourceId, cidr: "203.0.113.0/24" });
    }
    const other = await service.issueKey();
    await client.allowlists.add({ resourceId: other.apiKeyId, cidr: "198.51.100.0/24" });
  });
});

describe("a user", () => {
  test("obeys the organization's list: in a session and at a login", async () => {
    const { allowlists } = service.admin;
    const resourceId = service.organizationId;
    const login = (address: string) =>
      new Client({ baseUrl: service.httpUrl, ...administrator, interceptors: from(address) });
    const inside = login("203.0.113.7");
    await works(inside);
    await inside.allowlists.add({ resourceId, cidr: "203.0.113.0/24" });
    await works(inside);
    expect(await refusalOf(allowlists.list({ resourceId }).page())).toMatchObject(notAllowed);
    // In the words of a wrong password, so that nobody learns from elsewhere that it is the right one.
    expect(await refusalOf(works(login("198.51.100.1")))).toMatchObject({ reason: "LOGIN_FAILED" });
    const recorded = "action = 'Login' and reason = 'ADDRESS_NOT_ALLOWED_BY_ORGANIZATION'";
    expect(await service.auditRows(recorded, [], 1)).toHaveLength(1);
  });

  test("refreshes no session from elsewhere, and loses no refresh token by trying", async () => {
    const auth = (address: string) =>
      createClient(AuthService, transport("connect-node Connect JSON", service, from(address)));
    const inside = "203.0.113.7";
    const { tokens } = await auth(inside).login(administrator);
    const refreshToken = tokens?.refreshToken ?? "";
    const { allowlists } = service.admin;
    const list = { resourceId: service.organizationId, cidr: "203.0.113.0/24", force: true };
    await allowlists.add(list);
    const stolen = auth("198.51.100.1").refreshSession({ refreshToken });
    expect(await refusalOf(stolen)).toMatchObject(notAllowed);
    await auth(inside).refreshSession({ refreshToken });
  });
});

describe("a key made by a key", () => {
  test("may call only from where its maker may", async () => {
    const maker = await service.issueKey();
    const { allowlists, apiKeys } = service.admin;
    await allowlists.add({ resourceId: maker.serviceAccountId, cidr: "203.0.112.0/22" });
    await allowlists.add({ resourceId: maker.apiKeyId, cidr: "203.0.113.0/24" });
    await allowlists.add({ resourceId: maker.apiKeyId, cidr: "198.51.100.0/24" });
    const client = signed(maker, "203.0.113.7");
    const other = await client.serviceAccounts.create({ accountId: "acc-123", name: "Other" });
    const made = await client.apiKeys.issue({ serviceAccountId: other.id });
    const entries = (await allowlists.list({ resourceId: made.id }).page()).items;
    expect(entries.map(({ cidr }) => cidr)).toEqual(["203.0.113.0/24"]);
    const key = { ...made, secretKey: made.secretKey, apiKeyId: made.id };
    await works(signed(key, "203.0.113.1"));
    expect(await refusalOf(works(signed(key, "192.0.2.1")))).toMatchObject(notAllowed);
    const byUser = await apiKeys.issue({ serviceAccountId: other.id });
    expect((await allowlists.list({ resourceId: byUser.id }).page()).items).toEqual([]);
  });

  test("is refused when that leaves no address", async () => {
    const maker = await service.issueKey();
    const { serviceAccountId } = maker;
    const { allowlists } = service.admin;
    const victim = await service.issueKey();
    await allowlists.add({ resourceId: victim.apiKeyId, cidr: "192.0.2.0/24" });
    await allowlists.add({ resourceId: serviceAccountId, cidr: "203.0.113.0/24" });
    const rotate = signed(maker, "203.0.113.7").apiKeys.rotate({ apiKeyId: victim.apiKeyId });
    expect(await refusalOf(rotate)).toMatchObject({ reason: "PERMISSION_ESCALATION" });
  });
});

test("a list of what is not there is not there", async () => {
  const missing = [
    "acc-none",
    "org_01m83v6b6be4c9r7ps5bhrbsjs",
    "svc_01m83v6b6be4c9r7ps5bhrbsjs",
    "key_01m83v6b6be4c9r7ps5bhrbsjs",
  ];
  for (const resourceId of missing) {
    const add = service.admin.allowlists.add({ resourceId, cidr: "192.0.2.0/24" });
    expect(await refusalOf(add), resourceId).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
  }
});
