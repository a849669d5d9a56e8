import type { Client } from "pdaas";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let admin: Client;
let key: TestKey;
let principalId: string;

beforeAll(async () => {
  service = await TestService.start();
  admin = service.admin;
});
beforeEach(async () => {
  key = await service.issueKey([]);
  principalId = key.serviceAccountId;
});
afterAll(() => service[Symbol.asyncDispose]());

let made = 0;

async function attach(text: string, targetId = principalId): Promise<string> {
  const { id: policyId } = await admin.policies.create({ name: `Policy ${made++}`, text });
  await admin.policies.attach({ policyId, targetId });
  return policyId;
}

const account = { type: "Account", id: "acc-123" };
const getAccount = 'permit (principal, action == Action::"GetAccount", resource)';

describe("authorize", () => {
  test("tells what a call would be answered, by which policies", async () => {
    const question = { principalId, action: "GetAccount", resource: account };
    const nothing = { permitted: false, policyIds: [], obstacle: undefined };
    expect(await admin.access.authorize(question)).toEqual(nothing);
    const permits = await attach(`${getAccount};`);
    const decision = await admin.access.authorize(question);
    expect(decision).toEqual({ permitted: true, policyIds: [permits], obstacle: undefined });
    const forbids = await attach(
      `forbid (principal, action, resource) unless { context has address && context.address.isInRange(ip("203.0.113.0/24")) };`,
    );
    const refused = { permitted: false, policyIds: [forbids], obstacle: undefined };
    expect(await admin.access.authorize(question)).toEqual(refused);
    const inside = { ...question, address: "203.0.113.7" };
    expect(await admin.access.authorize(inside)).toMatchObject({ permitted: true });
  });

  test("looks up what belongs to the service", async () => {
    await attach(
      'permit (principal, action == Action::"GetApiKey", resource in Account::"acc-123");',
    );
    await admin.accounts.create({ accountId: `other-${made}` });
    const elsewhere = await admin.serviceAccounts.create({ accountId: `other-${made}`, name: "x" });
    const other = await admin.apiKeys.issue({ serviceAccountId: elsewhere.id });
    const ask = (id: string) =>
      admin.access.authorize({
        principalId,
        action: "GetApiKey",
        resource: { type: "ApiKey", id },
      });
    expect(await ask(key.apiKeyId)).toMatchObject({ permitted: true });
    expect(await ask(other.id)).toMatchObject({ permitted: false });
  });

  test("tells what else than a policy refuses", async () => {
    await attach(`${getAccount};`);
    const question = { principalId, action: "GetAccount", resource: account };
    const narrow = await admin.apiKeys.issue({ serviceAccountId: principalId, permissions: [] });
    const limited = await admin.access.authorize({ ...question, apiKeyId: narrow.id });
    expect(limited).toMatchObject({ permitted: false, obstacle: "permission_limit" });
    await admin.apiKeys.disable({ apiKeyId: narrow.id });
    const disabled = await admin.access.authorize({ ...question, apiKeyId: narrow.id });
    expect(disabled).toMatchObject({ permitted: false, obstacle: "api_key_not_active" });
    await admin.serviceAccounts.disable({ serviceAccountId: principalId });
    const stopped = await admin.access.authorize(question);
    expect(stopped).toMatchObject({ permitted: false, obstacle: "service_account_not_active" });
    const user = await admin.users.create({ email: `user-${made++}@myorg.example` });
    const invited = await admin.access.authorize({ ...question, principalId: user.id });
    expect(invited).toMatchObject({ permitted: false, obstacle: "user_not_active" });
  });

  test.each([
    ["an action that does not exist", { action: "GetAccounts" }, "check.action"],
    ["a resource of another type", { resource: { type: "User", id: "usr_1" } }, "check.resource"],
    ["an address that is none", { address: "the office" }, "check.address"],
    ["attributes of what is the service's", { context: { a: 1 } }, "check.entities"],
  ])("%s: refused, and says which field", async (_, wrong, field) => {
    const question = { principalId, action: "GetAccount", resource: account, ...wrong };
    const error = await admin.access.authorize(question).catch((thrown) => thrown);
    expect(error).toMatchObject({ reason: "FIELD_INVALID", fieldViolations: [{ field }] });
  });

  test("takes Access.read", async () => {
    const question = { principalId, action: "GetAccount", resource: account };
    const refusal = refusalOf(service.signed(key).access.authorize(question));
    expect(await refusal).toMatchObject({ reason: "PERMISSION_MISSING" });
    const asking = service.signed(await service.issueKey(["Access.read"]));
    expect(await asking.access.authorize(question)).toMatchObject({ permitted: false });
  });
});

describe("for an application's own resources", () => {
  beforeAll(async () => {
    await admin.policies.updateSchema({
      applicationText: `namespace Shop {
        entity Store in [Account] { open: Bool };
        entity Invoice in [Store] { amount: Long, rate: decimal, due?: datetime, tags: Set<String> };
        action refund appliesTo {
          principal: [User, ServiceAccount],
          resource: Invoice,
          context: { reason: String }
        };
      }`,
    });
  });

  const store = { type: "Shop::Store", id: "1", attributes: { open: true } };
  const invoice = (attributes: { amount?: number; due?: Date; tags?: string[] }) => ({
    type: "Shop::Invoice",
    id: "7",
    attributes: { amount: 10, rate: "0.19", tags: [], ...attributes },
    parents: [{ type: store.type, id: store.id }],
  });
  const context = { reason: "broken" };
  const action = 'Shop::Action::"refund"';
  const ask = (resource: ReturnType<typeof invoice>) =>
    admin.access.authorize({ principalId, action, resource, entities: [store], context });

  test("plain objects stand for attributes, hierarchy and context", async () => {
    await attach(`permit (principal, action == ${action}, resource in Shop::Store::"1") when {
      resource.amount <= 100 && resource.rate.lessThan(decimal("0.2")) && context.reason != "" &&
      (if resource has due then resource.due > datetime("2026-01-01") else true) &&
      !resource.tags.contains("final")
    };`);
    expect(await ask(invoice({ amount: 100 }))).toMatchObject({ permitted: true });
    expect(await ask(invoice({ amount: 101 }))).toMatchObject({ permitted: false });
    expect(await ask(invoice({ due: new Date("2026-02-01") }))).toMatchObject({ permitted: true });
    expect(await ask(invoice({ due: new Date("2025-02-01") }))).toMatchObject({ permitted: false });
    expect(await ask(invoice({ tags: ["final"] }))).toMatchObject({ permitted: false });
  });

  test("what is not as the schema declares it: refused, and says what", async () => {
    const wrong = { principalId, action, resource: invoice({}), context: { reason: 1 } };
    expect(await refusalOf(admin.access.authorize(wrong))).toMatchObject({
      reason: "FIELD_INVALID",
    });
    const fraction = await refusalOf(ask(invoice({ amount: 0.5 })));
    expect(fraction.message).toContain("check.entities[0].attributes.amount");
  });
});

test("batchAuthorize answers in the order of the questions", async () => {
  await attach(`${getAccount};`);
  const actions = ["ListAccounts", "GetAccount", "ListAccounts"];
  const checks = actions.map((action) => ({
    principalId,
    action,
    ...(action === "GetAccount" && { resource: account }),
  }));
  const decisions = await admin.access.batchAuthorize({ checks });
  expect(decisions.map(({ permitted }) => permitted)).toEqual([false, true, false]);
});

test("explain: why a recorded call was refused, and what would have to change", async () => {
  const text = `forbid (principal, action, resource);`;
  await attach(`${getAccount};`);
  const policyId = await attach(`// Nothing at all\n${text}`);
  const error = await service
    .signed(key)
    .accounts.get({ accountId: account.id })
    .catch((thrown) => thrown);
  await service.auditRows("request_id = $1", [error.requestId], 1);
  const explanation = await admin.access.explain({ requestId: error.requestId });
  expect(explanation).toMatchObject({
    decision: { permitted: false, policyIds: [policyId], obstacle: undefined },
    check: { principalId, apiKeyId: key.apiKeyId, action: "GetAccount", resource: account },
    recordedReason: "PERMISSION_MISSING",
    permission: "Accounts.read",
    effectivePermissions: [],
  });
  const deciding = { policyId, targetId: principalId, forbids: true, line: 2 };
  expect(explanation.statements).toMatchObject([deciding]);
  expect(explanation.statements[0]?.text).toContain(text);
  expect(explanation.remedies.join()).toContain(`Detach ${policyId} from ${principalId}`);
  await admin.policies.detach({ policyId, targetId: principalId });
  const { decision } = await admin.access.explain(explanation.check);
  expect(decision).toMatchObject({ permitted: true });
});

test("explain: permissions that were given directly are no policy", async () => {
  const direct = await service.issueKey(["Accounts.read"]);
  const explanation = await admin.access.explain({
    principalId: direct.serviceAccountId,
    action: "ListAccounts",
  });
  expect(explanation).toMatchObject({ decision: { permitted: true }, recordedReason: undefined });
  expect(explanation.statements).toMatchObject([
    { policyId: undefined, policyName: undefined, targetId: undefined, forbids: false },
  ]);
});

test("explain: a request that nothing is recorded of", async () => {
  const refusal = refusalOf(admin.access.explain({ requestId: "req_unknown" }));
  expect(await refusal).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("listEffectivePermissions: with and without conditions, and what a key leaves of them", async () => {
  const policyId = await attach(
    `${getAccount};\npermit (principal, action in Action::"ApiKeys.read", resource in Account::"acc-123");`,
  );
  const all = await admin.access.listEffectivePermissions({ principalId });
  expect(all.map(({ action, conditional }) => [action, conditional])).toEqual([
    ["GetAccount", false],
    ["GetApiKey", true],
    ["ListApiKeys", true],
    ["GetApiKeyUsage", true],
  ]);
  const accounts = { permission: "Accounts.read", policyIds: [policyId] };
  expect(all[0]).toEqual({ action: "GetAccount", conditional: false, ...accounts });
  const narrow = await admin.apiKeys.issue({
    serviceAccountId: principalId,
    permissions: ["Accounts.read"],
  });
  const left = await admin.access.listEffectivePermissions({ principalId, apiKeyId: narrow.id });
  expect(left).toEqual(all.slice(0, 1));
});
