import { createClient, type Client as GeneratedClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Caller } from "../../gen/pdaas/v1/access_pb.ts";
import { AuditExportFormat, AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type Method, methods, services } from "../../src/contract.ts";
import { newId } from "../../src/ids.ts";
import { refusalOf, signedTransport, transport, withHeaders } from "../harness/clients.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";

const connect = "connect-node Connect JSON";
const all = [...methods.values()];
const byName = (list: Method[]) => list.map((method) => [method.action, method] as const);

let service: TestService;
let accessToken: string;
let refreshToken: string;
/** May do everything. */
let key: TestKey;
/** May do nothing. */
let powerless: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey(["*"]);
  powerless = await service.issueKey([]);
  const { tokens } = (await invoke("Login", administrator)) as {
    tokens: { accessToken: string; refreshToken: string };
  };
  ({ accessToken, refreshToken } = tokens);
});
afterAll(() => service[Symbol.asyncDispose]());

/** Calls an RPC by its name. @returns its answer, or the first message of its stream */
async function invoke(
  action: string,
  request: object,
  made = transport(connect, service),
): Promise<unknown> {
  const owner = services.find(({ methods }) => methods.some(({ name }) => name === action));
  const client = createClient(owner as never, made) as GeneratedClient<never>;
  const name = `${action[0]?.toLowerCase()}${action.slice(1)}`;
  const call = (client as Record<string, (request: object) => Answer>)[name];
  const answer = call?.(request) as Answer;
  if (!(Symbol.asyncIterator in answer)) return answer;
  for await (const message of answer) return message;
  throw new Error(`${action} has sent nothing`);
}

type Answer = Promise<unknown> | AsyncIterable<unknown>;

const asKey = (by: TestKey) => signedTransport(connect, service, by);
const asUser = () =>
  transport(connect, service, [withHeaders({ authorization: `Bearer ${accessToken}` })]);

describe("without credentials", () => {
  const closed = all.filter(({ callers }) => !callers.has(Caller.ANONYMOUS));
  test.each(byName(closed))("%s is refused", async (action) => {
    expect(await refusalOf(invoke(action, {}))).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_MISSING",
    });
  });
});

describe("without the permission", () => {
  const limited = all.filter(({ access }) => access.permission !== "");
  test.each(byName(limited))("%s is refused, and that is recorded", async (action, { access }) => {
    const refusal = await refusalOf(invoke(action, {}, asKey(powerless)));
    expect(refusal).toMatchObject({ code: "permission_denied", reason: "PERMISSION_MISSING" });
    expect(refusal.message).toContain(access.permission);
    const events = await service.auditRows(
      "action = $1 and principal_id = $2 and reason = 'PERMISSION_MISSING'",
      [action, powerless.serviceAccountId],
      1,
    );
    expect(events).toEqual([
      expect.objectContaining({
        outcome: AuditOutcome.REFUSED,
        api_key_id: powerless.apiKeyId,
        address: "127.0.0.1",
      }),
    ]);
  });
});

describe("by the wrong kind of caller", () => {
  const sessionsOnly = all.filter(
    ({ callers }) => callers.has(Caller.SESSION) && !callers.has(Caller.SIGNATURE),
  );
  test.each(byName(sessionsOnly))("%s is refused to a signed request", async (action) => {
    expect(await refusalOf(invoke(action, {}, asKey(key)))).toMatchObject({
      code: "permission_denied",
      reason: "CALLER_NOT_ALLOWED",
    });
  });
});

/** Names an entry of an allowlist that nobody here is held to. */
async function allowlistEntry() {
  const { apiKeyId } = await service.issueKey([]);
  const request = { resourceId: apiKeyId, cidr: "192.0.2.0/24" };
  const { allowlistEntry } = (await invoke("CreateAllowlistEntry", request, asKey(key))) as {
    allowlistEntry: { id: string };
  };
  return { allowlistEntryId: allowlistEntry.id };
}

let made = 0;

/** A user who is not invited yet. */
async function user() {
  const email = `user-${made++}@myorg.example`;
  const answer = (await invoke("CreateUser", { email }, asKey(key))) as { user: { id: string } };
  return { userId: answer.user.id };
}

/** An invitation of a new user. */
async function invitation() {
  const answer = (await invoke("InviteUser", await user(), asKey(key))) as {
    invitationToken: string;
  };
  return { invitationToken: answer.invitationToken };
}

/** A group without members. */
async function group() {
  const answer = (await invoke("CreateGroup", { name: `Group ${made++}` }, asKey(key))) as {
    group: { id: string };
  };
  return { groupId: answer.group.id };
}

/** A member of a new group. */
async function groupMember() {
  const request = { ...(await group()), memberId: powerless.serviceAccountId };
  await invoke("AddGroupMember", request, asKey(key));
  return request;
}

const text = 'permit (principal, action == Action::"GetAccount", resource);';

/** A policy that is attached to nothing. */
async function policy() {
  const answer = (await invoke("CreatePolicy", { name: `Policy ${made++}`, text }, asKey(key))) as {
    policy: { id: string };
  };
  return { policyId: answer.policy.id };
}

/** A policy that is attached to a new group. */
async function attachment() {
  const request = { ...(await policy()), targetId: (await group()).groupId };
  await invoke("AttachPolicy", request, asKey(key));
  return request;
}

/** Where nobody listens. */
const deadUrl = "http://127.0.0.1:1/";

/** A sink that delivers nothing. */
async function sink() {
  const { auditSink } = (await invoke("CreateAuditSink", { url: deadUrl }, asKey(key))) as {
    auditSink: { id: string };
  };
  const auditSinkId = auditSink.id;
  const updateMask = { paths: ["enabled"] };
  await invoke("UpdateAuditSink", { auditSinkId, enabled: false, updateMask }, asKey(key));
  return { auditSinkId };
}

/** A delivery of such a sink that was given up. */
async function failedDelivery() {
  const { auditSinkId } = await sink();
  const failedDeliveryId = newId("dlv");
  await service.database.query(
    `insert into audit_failed_deliveries
      (id, organization_id, sink_id, first_sequence, last_sequence, attempts, last_error)
      values ($1, $2, $3, 1, 1, 12, 'It failed.')`,
    [failedDeliveryId, service.organizationId, auditSinkId],
  );
  return { failedDeliveryId };
}

const check = () => ({
  principalId: powerless.serviceAccountId,
  action: "GetAccount",
  resource: { type: "Account", id: "acc-123" },
});

/** A valid request of each RPC that changes something, and of each that reads. */
const requests: Record<string, () => object | Promise<object>> = {
  Login: () => administrator,
  RefreshSession: () => ({ refreshToken }),
  Logout: () => ({}),
  AcceptInvitation: async () => ({ ...(await invitation()), password: "a long enough password" }),
  WhoAmI: () => ({}),
  GetOrganization: () => ({}),
  UpdateOrganization: () => ({ name: "Renamed", updateMask: { paths: ["name"] } }),
  CreateAccount: () => ({ accountId: "acc-456" }),
  GetAccount: () => ({ accountId: "acc-123" }),
  ListAccounts: () => ({}),
  CreateUser: () => ({ email: "walked@myorg.example" }),
  InviteUser: user,
  GetUser: user,
  ListUsers: () => ({}),
  UpdateUser: async () => ({
    ...(await user()),
    name: "Renamed",
    updateMask: { paths: ["name"] },
  }),
  DisableUser: user,
  EnableUser: async () => {
    const request = await user();
    await invoke("DisableUser", request, asKey(key));
    return request;
  },
  DeleteUser: user,
  CreateGroup: () => ({ name: "Walked" }),
  GetGroup: group,
  ListGroups: () => ({}),
  UpdateGroup: async () => ({
    ...(await group()),
    description: "Changed",
    updateMask: { paths: ["description"] },
  }),
  DeleteGroup: group,
  AddGroupMember: async () => ({ ...(await group()), memberId: powerless.serviceAccountId }),
  RemoveGroupMember: groupMember,
  ListGroupMembers: group,
  CreatePolicy: () => ({ name: "Walked", text }),
  GetPolicy: policy,
  ListPolicies: () => ({}),
  UpdatePolicy: async () => ({
    ...(await policy()),
    description: "Changed",
    updateMask: { paths: ["description"] },
  }),
  DeletePolicy: policy,
  AttachPolicy: async () => ({ ...(await policy()), targetId: (await group()).groupId }),
  DetachPolicy: attachment,
  ListPolicyAttachments: () => ({}),
  TestPolicyChange: async () => ({ ...(await policy()), attachTo: [powerless.serviceAccountId] }),
  GetPolicySchema: () => ({}),
  UpdatePolicySchema: () => ({ applicationText: "" }),
  Authorize: () => ({ check: check() }),
  BatchAuthorize: () => ({ checks: [check()] }),
  ExplainAccess: () => ({ question: { case: "check", value: check() } }),
  ListEffectivePermissions: () => ({ principalId: powerless.serviceAccountId }),
  CreateServiceAccount: () => ({ accountId: "acc-123", name: "Walked" }),
  GetServiceAccount: () => ({ serviceAccountId: powerless.serviceAccountId }),
  ListServiceAccounts: () => ({}),
  UpdateServiceAccount: () => ({
    serviceAccountId: powerless.serviceAccountId,
    name: "Renamed",
    updateMask: { paths: ["name"] },
  }),
  DisableServiceAccount: () => ({ serviceAccountId: powerless.serviceAccountId }),
  EnableServiceAccount: async () => {
    const { serviceAccountId } = powerless;
    await service.admin.serviceAccounts.disable({ serviceAccountId });
    return { serviceAccountId };
  },
  DeleteServiceAccount: async () => ({
    serviceAccountId: (await service.issueKey([])).serviceAccountId,
  }),
  UndeleteServiceAccount: async () => {
    const { serviceAccountId } = await service.issueKey([]);
    await service.admin.serviceAccounts.delete({ serviceAccountId });
    return { serviceAccountId };
  },
  IssueApiKey: async () => ({ serviceAccountId: (await service.issueKey([])).serviceAccountId }),
  GetApiKey: () => ({ apiKeyId: powerless.apiKeyId }),
  ListApiKeys: () => ({ serviceAccountId: powerless.serviceAccountId }),
  UpdateApiKey: () => ({
    apiKeyId: powerless.apiKeyId,
    name: "Renamed",
    updateMask: { paths: ["name"] },
  }),
  DisableApiKey: async () => ({ apiKeyId: (await service.issueKey([])).apiKeyId }),
  EnableApiKey: async () => {
    const { apiKeyId } = await service.issueKey([]);
    await service.admin.apiKeys.disable({ apiKeyId });
    return { apiKeyId };
  },
  RotateApiKey: async () => ({ apiKeyId: (await service.issueKey([])).apiKeyId }),
  RetireApiKey: async () => {
    const { apiKeyId } = await service.issueKey([]);
    await service.admin.apiKeys.rotate({ apiKeyId });
    return { apiKeyId };
  },
  GetApiKeyUsage: () => ({ apiKeyId: powerless.apiKeyId }),
  ReportLeakedKey: async () => ({ secretKey: (await service.issueKey([])).secretKey }),
  CreateAllowlistEntry: async () => ({ resourceId: powerless.apiKeyId, cidr: "192.0.2.0/24" }),
  GetAllowlistEntry: allowlistEntry,
  ListAllowlistEntries: () => ({ resourceId: powerless.apiKeyId }),
  UpdateAllowlistEntry: async () => ({
    ...(await allowlistEntry()),
    description: "Changed",
    updateMask: { paths: ["description"] },
  }),
  DeleteAllowlistEntry: allowlistEntry,
  GetAllowlist: () => ({ resourceId: powerless.apiKeyId }),
  UpdateAllowlist: () => ({ resourceId: powerless.apiKeyId, reportOnly: true }),
  TestAddress: () => ({ resourceId: powerless.apiKeyId, address: "192.0.2.1" }),
  SuggestAllowlistEntries: () => ({ resourceId: powerless.apiKeyId }),
  RevokeApiKey: async () => ({ apiKeyId: (await service.issueKey([])).apiKeyId }),
  ListAuditEvents: () => ({}),
  GetAuditEvent: async () => {
    const events = service.admin.auditEvents.list({ action: "CreateFirstOrganization" });
    const [event] = await Array.fromAsync(events);
    return { auditEventId: event?.id };
  },
  GetCheckpoint: () => ({}),
  GetConsistencyProof: () => ({ oldSize: 1n }),
  TailAuditEvents: () => ({}),
  ExportAuditEvents: () => ({ format: AuditExportFormat.JSON_LINES }),
  EraseAuditPersonalData: () => ({ principalId: powerless.serviceAccountId }),
  CreateAuditSink: () => ({ url: deadUrl }),
  GetAuditSink: sink,
  ListAuditSinks: () => ({}),
  UpdateAuditSink: async () => ({
    ...(await sink()),
    enabled: false,
    updateMask: { paths: ["enabled"] },
  }),
  RotateAuditSinkSecret: sink,
  DeleteAuditSink: sink,
  ListFailedDeliveries: sink,
  RetryFailedDelivery: failedDelivery,
};

test("every RPC is walked", () => {
  expect(Object.keys(requests).sort()).toEqual(all.map(({ action }) => action).sort());
});

describe("every change", () => {
  const order = all.filter(({ isRead }) => !isRead);
  // Logout ends the session that the others use.
  order.sort((a, b) => Number(a.action === "Logout") - Number(b.action === "Logout"));
  test.each(byName(order))("%s leaves one audit event", async (action, { callers, access }) => {
    const request = await requests[action]?.();
    const events = () =>
      service.recorded("action = $1 and outcome = $2", [action, AuditOutcome.OK]);
    const before = await events();
    const epochBefore = await accessEpoch();
    const made = callers.has(Caller.SIGNATURE) ? asKey(key) : asUser();
    await invoke(action, request as object, callers.has(Caller.ANONYMOUS) ? undefined : made);
    const after = await events();
    expect(after).toHaveLength(before.length + 1);
    expect(after.at(-1)?.resource_id).not.toBe("");
    expect(after.at(-1)?.request_id).toMatch(/^req_/);
    expect((await accessEpoch()) > epochBefore).toBe(access.changesAccess);
  });
});

describe("every read", () => {
  const reads = all.filter(({ isRead }) => isRead);
  test.each(byName(reads))("%s is answered, and leaves none", async (action) => {
    const count = () => service.recorded("true");
    const request = await requests[action]?.();
    const before = await count();
    await invoke(action, request as object, asKey(key));
    expect(await count()).toHaveLength(before.length);
  });
});

async function accessEpoch(): Promise<number> {
  const [row] = await service.database.query<{ access_epoch: string }>(
    "select access_epoch from organizations",
  );
  return Number(row?.access_epoch);
}
