import { type Client, PdaasError, type Policy, type PolicyAttachment } from "pdaas";
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

const text = 'permit (principal, action == Action::"GetAccount", resource);';
const missing = { code: "permission_denied", reason: "PERMISSION_MISSING" };
let made = 0;
const newPolicy = (cedar = text) =>
  admin.policies.create({ name: `Policy ${made++}`, text: cedar });

test("a policy: created, got, updated and deleted", async () => {
  const policy = await admin.policies.create({ name: "Look", description: "At accounts", text });
  expect(policy).toEqual({
    id: expect.stringMatching(/^pol_/),
    name: "Look",
    description: "At accounts",
    text,
    managed: false,
    etag: expect.stringMatching(/./),
    createTime: expect.any(Date),
    updateTime: expect.any(Date),
  });
  const it = { policyId: policy.id };
  expect(await admin.policies.get(it)).toEqual(policy);
  const wider = text.replace("GetAccount", "ListAccounts");
  const change = { ...it, text: wider, etag: policy.etag };
  const changed = await admin.policies.update(change);
  expect(changed).toMatchObject({ text: wider, name: "Look", description: "At accounts" });
  const outdated = refusalOf(admin.policies.update(change));
  expect(await outdated).toMatchObject({ reason: "ETAG_MISMATCH" });
  const taken = refusalOf(admin.policies.create({ name: "Look", text }));
  expect(await taken).toMatchObject({ reason: "RESOURCE_ALREADY_EXISTS" });
  expect(await admin.policies.delete({ ...it, etag: changed.etag })).toBeUndefined();
  expect(await refusalOf(admin.policies.get(it))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("repeated with its request id: one policy", async () => {
  const params = { name: "Once", text, requestId: crypto.randomUUID() };
  expect(await admin.policies.create(params)).toEqual(await admin.policies.create(params));
});

test("list gives those of the product, then the organization's own, page after page", async () => {
  const own = [await newPolicy(), await newPolicy()];
  const listed: Policy[] = [];
  for await (const policy of admin.policies.list({ pageSize: 2 })) listed.push(policy);
  const isManaged = listed.map(({ managed }) => managed);
  expect(isManaged).toEqual(isManaged.toSorted((a, b) => Number(b) - Number(a)));
  expect(listed[0]).toEqual({
    id: "pol_organization_administrator",
    name: "Organization administrator",
    description: expect.stringContaining("everything"),
    text: "permit (principal, action, resource);",
    managed: true,
    etag: "",
    createTime: undefined,
    updateTime: undefined,
  });
  expect(listed.slice(-2)).toEqual(own);
  const change = admin.policies.update({ policyId: "pol_viewer", name: "Mine" });
  expect(await refusalOf(change)).toMatchObject({ reason: "POLICY_MANAGED" });
});

test("attach and detach count at once, and what is attached cannot be deleted", async () => {
  const key = await service.issueKey([]);
  const client = service.signed(key);
  const { id: policyId } = await newPolicy();
  const get = () => client.accounts.get({ accountId: "acc-123" });
  expect(await refusalOf(get())).toMatchObject(missing);
  const attachment = { policyId, targetId: key.serviceAccountId };
  const attached = await admin.policies.attach(attachment);
  expect(attached).toEqual({ ...attachment, createTime: expect.any(Date) });
  expect(await admin.policies.attach(attachment)).toEqual(attached);
  await get();
  const held = refusalOf(admin.policies.delete({ policyId }));
  expect(await held).toMatchObject({ code: "failed_precondition", reason: "POLICY_ATTACHED" });
  expect(await admin.policies.detach(attachment)).toBeUndefined();
  expect(await refusalOf(get())).toMatchObject(missing);
  expect(await admin.policies.detach(attachment)).toBeUndefined();
  await admin.policies.delete({ policyId });
});

test("listAttachments: of a policy, of a target, or all, page after page", async () => {
  const { id: policyId } = await newPolicy();
  const { serviceAccountId } = await service.issueKey([]);
  const targets = ["acc-123", serviceAccountId, service.organizationId];
  for (const targetId of targets) await admin.policies.attach({ policyId, targetId });
  const listed: PolicyAttachment[] = [];
  for await (const one of admin.policies.listAttachments({ policyId, pageSize: 1 })) {
    listed.push(one);
  }
  expect(listed.map(({ targetId }) => targetId)).toEqual(targets);
  const ofTarget = await admin.policies.listAttachments({ targetId: serviceAccountId }).page();
  expect(ofTarget.items).toEqual([listed[1]]);
  const both = { policyId: "pol_viewer", targetId: serviceAccountId };
  expect((await admin.policies.listAttachments(both).page()).items).toEqual([]);
  const all = await admin.policies.listAttachments({ pageSize: 200 }).page();
  expect(all.items).toEqual(expect.arrayContaining(listed));
  for (const targetId of targets) await admin.policies.detach({ policyId, targetId });
});

describe("a fault in a policy is told with its place:", () => {
  test.each([
    ["a scope that lacks something", "permit (\n  principal,\n  action\n);", /^line 3, column 9: /],
    [
      "an action that does not exist",
      'permit (principal, action, resource);\npermit (principal, action == Action::"IssueKey", resource);',
      /^line 2, column \d+: .*IssueKey/,
    ],
    [
      "an attribute that does not exist",
      'permit (principal, action, resource)\n  when { context.adress == ip("10.0.0.1") };',
      /^line 2, column \d+: .*adress/,
    ],
    ["no statement at all", "// nothing", /has no statement/],
  ])("%s", async (_, cedar, place) => {
    const error = await newPolicy(cedar).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(PdaasError);
    expect(error).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
    const [violation] = (error as PdaasError).fieldViolations;
    expect(violation).toMatchObject({ field: "text" });
    expect(violation?.description).toMatch(place);
  });
});

test("testChange tells which recorded calls a change would answer otherwise", async () => {
  const key = await service.issueKey([]);
  const client = service.signed(key);
  const refused = await client.accounts.get({ accountId: "acc-123" }).catch((error) => error);
  const principalId = key.serviceAccountId;
  await service.auditRows("principal_id = $1", [principalId], 1);
  const attachTo = [principalId];
  const tested = await admin.policies.testChange({ text, attachTo });
  expect(tested).toMatchObject({ changedCalls: 1 });
  expect(tested.testedCalls).toBeGreaterThan(1);
  expect(tested.changes).toEqual([
    {
      requestId: refused.requestId,
      time: expect.any(Date),
      principalId,
      action: "GetAccount",
      resourceId: "acc-123",
      permittedNow: false,
      permittedThen: true,
    },
  ]);
  const { id: policyId } = await newPolicy();
  await admin.policies.attach({ policyId, targetId: principalId });
  const withdrawn = await admin.policies.testChange({ policyId, detachFrom: attachTo, days: 1 });
  expect(withdrawn.changes).toMatchObject([{ permittedNow: true, permittedThen: false }]);
  const narrower = text.replace("GetAccount", "ListAccounts");
  const rewritten = await admin.policies.testChange({ policyId, text: narrower });
  expect(rewritten.changes).toMatchObject([{ permittedNow: true, permittedThen: false }]);
  await client.accounts.get({ accountId: "acc-123" });
});

test("nobody writes down or attaches what they may not do", async () => {
  const key = await service.issueKey(["Policies.write", "Accounts.read"]);
  const { policies } = service.signed(key);
  const escalation = { code: "permission_denied", reason: "PERMISSION_ESCALATION" };
  const wide = policies.create({ name: "Wide", text: "permit (principal, action, resource);" });
  expect(await refusalOf(wide)).toMatchObject(escalation);
  const targetId = key.serviceAccountId;
  const attach = policies.attach({ policyId: "pol_viewer", targetId });
  expect(await refusalOf(attach)).toMatchObject(escalation);
  const { id: policyId } = await policies.create({ name: "Own", text });
  await policies.attach({ policyId, targetId });
});

test("the schema: what applications declare is added, held to, and taken away", async () => {
  const before = await admin.policies.getSchema();
  expect(before.applicationText).toBe("");
  expect(before.contractText).toContain('action "IssueApiKey" in [Action::"ApiKeys.write"]');
  const applicationText = `namespace Shop {
  entity Invoice;
  action refund appliesTo { principal: [User, ServiceAccount], resource: Invoice };
}`;
  const params = { applicationText, etag: before.etag };
  const after = await admin.policies.updateSchema(params);
  expect(after).toMatchObject({ applicationText, contractText: before.contractText });
  expect(await admin.policies.getSchema()).toEqual(after);
  const outdated = refusalOf(admin.policies.updateSchema(params));
  expect(await outdated).toMatchObject({ reason: "ETAG_MISMATCH" });

  const { id: policyId } = await newPolicy(
    'permit (principal, action == Shop::Action::"refund", resource);',
  );
  const empty = () => admin.policies.updateSchema({ applicationText: "" });
  const used = await refusalOf(empty());
  expect(used).toMatchObject({ reason: "FIELD_INVALID" });
  expect(used.message).toContain(policyId);
  const broken = await refusalOf(
    admin.policies.updateSchema({ applicationText: "namespace Shop {\n  entity ;\n}" }),
  );
  expect(broken.message).toMatch(/application_text: line 2, column \d+/);
  await admin.policies.delete({ policyId });
  expect(await empty()).toMatchObject({ applicationText: "" });
});
