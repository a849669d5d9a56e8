import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AccessObstacle, AccessService } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { Client } from "../src/index.ts";
import { startServer } from "./support/server.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const createTime = timestampFromMs(1_700_000_000_123);
const date = new Date(1_700_000_000_123);
const text = "permit (principal, action, resource);";
const policyId = "pol_1";
const targetId = "grp_1";
const principalId = "svc_1";
const policy = { id: policyId, name: "All", text, etag: "v2", createTime, updateTime: createTime };
const schema = { contractText: "entity User;", applicationText: "namespace Shop {}", etag: "v1" };
const attachment = { policyId, targetId, createTime };
const check = {
  principalId,
  action: 'Shop::Action::"refund"',
  resource: { type: "Shop::Invoice", id: "7" },
  entities: [
    {
      reference: { type: "Shop::Invoice", id: "7" },
      attributes: { amount: 40 },
      parents: [{ type: "Account", id: "acc-123" }],
    },
  ],
  context: { urgent: true },
};
const permission = { action: "GetAccount", permission: "Accounts.read", conditional: true };

function routes(router: ConnectRouter): void {
  const one = () => ({ policy });
  router.service(PolicyService, {
    createPolicy: one,
    getPolicy: () => ({ policy: { id: "pol_viewer", name: "Viewer", text, managed: true } }),
    listPolicies: () => ({ policies: [policy], nextPageToken: "b" }),
    updatePolicy: one,
    deletePolicy: () => ({}),
    attachPolicy: () => ({ policyAttachment: attachment }),
    detachPolicy: () => ({}),
    listPolicyAttachments: () => ({ policyAttachments: [attachment], nextPageToken: "b" }),
    testPolicyChange: () => ({
      testedCalls: 9,
      changedCalls: 1,
      changes: [{ requestId: "r1", time: createTime, principalId, action: "GetAccount" }],
    }),
    getPolicySchema: () => schema,
    updatePolicySchema: () => schema,
  });
  router.service(AccessService, {
    authorize: () => ({ decision: { permitted: true, policyIds: [policyId] } }),
    batchAuthorize: ({ checks }) => ({
      decisions: checks.map((_, i) => ({
        permitted: i === 0,
        obstacle: i === 0 ? AccessObstacle.UNSPECIFIED : AccessObstacle.PERMISSION_LIMIT,
      })),
    }),
    explainAccess: () => ({
      decision: { permitted: false },
      check,
      recordedReason: "PERMISSION_MISSING",
      permission: "Accounts.read",
      statements: [
        { policyId, policyName: "All", targetId, forbids: true, text, line: 3 },
        { text, line: 1 },
      ],
      remedies: ["Detach it."],
      effectivePermissions: [permission],
    }),
    listEffectivePermissions: () => ({ effectivePermissions: [permission] }),
  });
}

/** A client, and what the last request said, in the contract's JSON. */
async function open() {
  const server = await startServer(routes);
  const said = (input: DescMessage) => {
    const body = server.requests.at(-1)?.body as Buffer;
    return toJson(input, fromBinary(input, body)) as Record<string, unknown>;
  };
  return { client: new Client({ baseUrl: server.baseUrl, ...key }), said };
}

const policies = PolicyService.method;
const access = AccessService.method;
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

test("policies: created, got, listed, updated and deleted", async () => {
  const { client, said } = await open();
  const plain = {
    ...policy,
    description: "",
    managed: false,
    createTime: date,
    updateTime: date,
  };
  expect(await client.policies.create({ name: "All", text })).toEqual(plain);
  expect(said(policies.createPolicy.input)).toEqual({ name: "All", text, requestId: uuid });
  const managed = await client.policies.get({ policyId: "pol_viewer" });
  expect(managed).toMatchObject({ managed: true, createTime: undefined, updateTime: undefined });
  const page = await client.policies.list({ pageSize: 1 }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: "b" });
  expect(said(policies.listPolicies.input)).toEqual({ pageSize: 1 });
  expect(await client.policies.update({ policyId, text, etag: "v1" })).toEqual(plain);
  const change = { policyId, text, updateMask: "text", etag: "v1" };
  expect(said(policies.updatePolicy.input)).toEqual(change);
  expect(await client.policies.delete({ policyId, etag: "v1" })).toBeUndefined();
  expect(said(policies.deletePolicy.input)).toEqual({ policyId, etag: "v1" });
});

test("attachments: attached, listed and detached", async () => {
  const { client, said } = await open();
  const plain = { policyId, targetId, createTime: date };
  expect(await client.policies.attach({ policyId, targetId })).toEqual(plain);
  expect(said(policies.attachPolicy.input)).toEqual({ policyId, targetId });
  const page = await client.policies.listAttachments({ targetId, pageSize: 1 }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: "b" });
  expect(said(policies.listPolicyAttachments.input)).toEqual({ targetId, pageSize: 1 });
  expect(await client.policies.detach({ policyId, targetId })).toBeUndefined();
  expect(said(policies.detachPolicy.input)).toEqual({ policyId, targetId });
});

test("a change that is tested: what would be answered otherwise", async () => {
  const { client, said } = await open();
  const change = { policyId, text, attachTo: [targetId], detachFrom: ["org_1"], days: 30 };
  expect(await client.policies.testChange(change)).toEqual({
    testedCalls: 9,
    changedCalls: 1,
    changes: [
      {
        requestId: "r1",
        time: date,
        principalId,
        action: "GetAccount",
        resourceId: "",
        permittedNow: false,
        permittedThen: false,
      },
    ],
  });
  expect(said(policies.testPolicyChange.input)).toEqual(change);
  await client.policies.testChange({ text });
  expect(said(policies.testPolicyChange.input)).toEqual({ text });
});

test("the schema: got and updated", async () => {
  const { client, said } = await open();
  expect(await client.policies.getSchema()).toEqual(schema);
  const { applicationText } = schema;
  expect(await client.policies.updateSchema({ applicationText, etag: "v1" })).toEqual(schema);
  expect(said(policies.updatePolicySchema.input)).toEqual({ applicationText, etag: "v1" });
});

test("authorize of an RPC names its resource", async () => {
  const { client, said } = await open();
  const resource = { type: "ApiKey", id: "key_1" };
  const question = { principalId, apiKeyId: "key_2", action: "GetApiKey", resource };
  const decision = { permitted: true, policyIds: [policyId], obstacle: undefined };
  expect(await client.access.authorize({ ...question, address: "203.0.113.7" })).toEqual(decision);
  expect(said(access.authorize.input)).toEqual({ check: { ...question, address: "203.0.113.7" } });
});

test("authorize for an application: plain objects, described once", async () => {
  const { client, said } = await open();
  const shop = { type: "Shop::Store", id: "1" };
  await client.access.authorize({
    principalId,
    action: 'Shop::Action::"refund"',
    resource: {
      type: "Shop::Invoice",
      id: "7",
      attributes: { amount: 40, paid: date, note: undefined, tags: ["a"], by: { name: "x" } },
      parents: [shop],
    },
    entities: [{ ...shop, attributes: { open: false } }],
    context: { urgent: true },
  });
  expect(said(access.authorize.input)).toEqual({
    check: {
      principalId,
      action: 'Shop::Action::"refund"',
      resource: { type: "Shop::Invoice", id: "7" },
      entities: [
        {
          reference: { type: "Shop::Invoice", id: "7" },
          attributes: { amount: 40, paid: date.toISOString(), tags: ["a"], by: { name: "x" } },
          parents: [shop],
        },
        { reference: shop, attributes: { open: false } },
      ],
      context: { urgent: true },
    },
  });
});

test("batchAuthorize answers in order, with what else refuses", async () => {
  const { client, said } = await open();
  const question = { principalId, action: "ListAccounts" };
  const decisions = await client.access.batchAuthorize({ checks: [question, question] });
  expect(decisions).toEqual([
    { permitted: true, policyIds: [], obstacle: undefined },
    { permitted: false, policyIds: [], obstacle: "permission_limit" },
  ]);
  expect(said(access.batchAuthorize.input)).toEqual({ checks: [question, question] });
});

test("explain: a recorded call, or one that may be made", async () => {
  const { client, said } = await open();
  const explanation = await client.access.explain({ requestId: "r1" });
  expect(said(access.explainAccess.input)).toEqual({ requestId: "r1" });
  expect(explanation).toEqual({
    decision: { permitted: false, policyIds: [], obstacle: undefined },
    check: {
      principalId,
      apiKeyId: undefined,
      action: check.action,
      resource: check.resource,
      entities: [
        {
          ...check.resource,
          attributes: { amount: 40 },
          parents: [{ type: "Account", id: "acc-123" }],
        },
      ],
      context: { urgent: true },
      address: undefined,
    },
    recordedReason: "PERMISSION_MISSING",
    permission: "Accounts.read",
    statements: [
      { policyId, policyName: "All", targetId, forbids: true, text, line: 3 },
      {
        policyId: undefined,
        policyName: undefined,
        targetId: undefined,
        forbids: false,
        text,
        line: 1,
      },
    ],
    remedies: ["Detach it."],
    effectivePermissions: [{ ...permission, policyIds: [] }],
  });
  await client.access.explain(explanation.check);
  expect(said(access.explainAccess.input)).toEqual({ check });
});

test("listEffectivePermissions of a principal, with a key or without", async () => {
  const { client, said } = await open();
  const listed = await client.access.listEffectivePermissions({ principalId });
  expect(listed).toEqual([{ ...permission, policyIds: [] }]);
  expect(said(access.listEffectivePermissions.input)).toEqual({ principalId });
  await client.access.listEffectivePermissions({ principalId, apiKeyId: "key_1" });
  const narrowed = { principalId, apiKeyId: "key_1" };
  expect(said(access.listEffectivePermissions.input)).toEqual(narrowed);
});
