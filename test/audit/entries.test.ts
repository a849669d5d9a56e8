import { randomBytes } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { signingInterceptor } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountService } from "../../gen/pdaas/v1/account_service_pb.ts";
import { AuditOutcome, AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { GroupService } from "../../gen/pdaas/v1/group_service_pb.ts";
import { PolicyService } from "../../gen/pdaas/v1/policy_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { UserService } from "../../gen/pdaas/v1/user_service_pb.ts";
import { refusalOf, signedTransport, transport, withHeaders } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const grpc = "connect-node gRPC, gRPC server";
let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

const made = () => signedTransport(grpc, service, key);

/** The newest event of an RPC, as it is listed. */
async function newest(action: string, resourceId = "", outcome: AuditOutcome = 0) {
  const client = createClient(AuditService, made());
  const find = async () =>
    (await client.listAuditEvents({ action, resourceId, outcome, pageSize: 1 })).auditEvents[0];
  await expect.poll(find).toBeDefined();
  const event = await find();
  if (event === undefined) throw new Error("the event is gone");
  return event;
}

test("a rotation is there with both keys", async () => {
  const { apiKeyId } = await service.issueKey(["Accounts.read"]);
  const { key: rotated } = await service.admin.apiKeys.rotate({ apiKeyId });
  const { changes } = await newest("RotateApiKey", apiKeyId);
  const after = Object.fromEntries(changes.map((change) => [change.field, change.after]));
  expect(after.successor_id).toBe(JSON.stringify(rotated.id));
  expect(after.retire_time).not.toBe("");
  expect(after["successor.id"]).toBe(JSON.stringify(rotated.id));
  expect(after["successor.access_key"]).toBe(JSON.stringify(rotated.accessKey));
  expect(JSON.stringify(after)).not.toContain(rotated.secretKey);
});

test("a change is there with what it has changed, and nothing that changes by itself", async () => {
  const { serviceAccounts } = service.admin;
  const { id } = await serviceAccounts.create({
    accountId: "acc-123",
    name: "Before",
    permissions: ["ApiKeys.read"],
  });
  await serviceAccounts.update({ serviceAccountId: id, name: "After", permissions: [] });
  const created = await newest("CreateServiceAccount", id);
  expect(created.accountId).toBe("acc-123");
  expect(created.changes).toContainEqual(
    expect.objectContaining({ field: "permissions", before: "", after: '["ApiKeys.read"]' }),
  );
  const updated = await newest("UpdateServiceAccount", id);
  expect(updated.accountId).toBe("acc-123");
  expect(updated.changes.map(({ field, before, after }) => [field, before, after])).toEqual([
    ["name", '"Before"', '"After"'],
    ["permissions", '["ApiKeys.read"]', ""],
  ]);
  await serviceAccounts.delete({ serviceAccountId: id });
  const deleted = await newest("DeleteServiceAccount", id);
  expect(deleted.changes.map(({ field }) => field)).toEqual([
    ...["state", "delete_time", "purge_time"],
  ]);
});

test("a refused change has changed nothing, and says so", async () => {
  const groups = createClient(GroupService, made());
  await groups.createGroup({ name: "Taken" });
  await refusalOf(groups.createGroup({ name: "Taken" }));
  const event = await newest("CreateGroup", "", AuditOutcome.REFUSED);
  expect(event.reason).toBe("RESOURCE_ALREADY_EXISTS");
  expect(event.changes).toEqual([]);
});

test("secrets are in no entry: not of the key that is issued, not where a caller has put one", async () => {
  const issued = await service.issueKey([]);
  await service.admin.serviceAccounts.update({
    serviceAccountId: issued.serviceAccountId,
    description: `The key is ${issued.secretKey}.`,
  });
  const event = await newest("UpdateServiceAccount", issued.serviceAccountId);
  expect(event.changes[0]?.after).toBe('"The key is sk_[redacted]."');
  const rows = await service.database.query<{ text: string }>(
    "select encode(entry, 'escape') || personal::text as text from audit_entries",
  );
  expect(rows.some(({ text }) => text.includes(issued.secretKey))).toBe(false);
});

test("personal fields are commitments in the entry, and readable beside it", async () => {
  const { user } = await createClient(UserService, made()).createUser({
    email: "person@myorg.example",
  });
  const event = await newest("CreateUser", user?.id);
  expect(event.changes).toContainEqual(
    expect.objectContaining({ field: "email", before: "", after: '"person@myorg.example"' }),
  );
  expect(event.address).toBe("127.0.0.1");
  const [row] = await service.database.query<{ entry: string }>(
    "select encode(entry, 'escape') as entry from audit_entries where id = $1",
    [event.id],
  );
  expect(row?.entry).toContain("email");
  expect(row?.entry).not.toContain("person@");
  expect(row?.entry).not.toContain("127.0.0.1");
});

test("the policies that decided are named", async () => {
  const policies = createClient(PolicyService, made());
  const text = 'permit (principal, action == Action::"CreateAccount", resource);';
  const { policy } = await policies.createPolicy({ name: "May create accounts", text });
  const limited = await service.issueKey([]);
  await policies.attachPolicy({ policyId: policy?.id ?? "", targetId: limited.serviceAccountId });
  const accounts = createClient(AccountService, signedTransport(grpc, service, limited));
  await accounts.createAccount({ accountId: "acc-of-policy" });
  const event = await newest("CreateAccount", "acc-of-policy");
  expect(event.policyIds).toEqual([policy?.id]);
  expect(event.accountId).toBe("acc-of-policy");
});

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
test.each([
  [`00-${traceId}-${parentId}-01`, traceId],
  [`01-${traceId}-${parentId}-01-more`, traceId],
  [`00-${traceId}-${parentId}-01-more`, ""],
  [`ff-${traceId}-${parentId}-01`, ""],
  [`00-${"0".repeat(32)}-${parentId}-01`, ""],
  [`00-${traceId}-${"0".repeat(16)}-01`, ""],
  [`00-${traceId.toUpperCase()}-${parentId}-01`, ""],
  ["00", ""],
])("the trace of %s is %s", async (traceparent, expected) => {
  const interceptors = [withHeaders({ traceparent }), signingInterceptor(key)];
  const groups = createClient(GroupService, transport(grpc, service, interceptors));
  const { group } = await groups.createGroup({ name: `Traced ${traceparent}` });
  expect((await newest("CreateGroup", group?.id)).traceId).toBe(expected);
});

test("a change whose event cannot be written is not made", async () => {
  const { database } = service;
  await database.query(`create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'no room'; end $$`);
  await database.query(
    "create trigger refuse before insert on audit_pending for each row execute function refuse()",
  );
  const groups = createClient(GroupService, made());
  const refusal = await refusalOf(groups.createGroup({ name: "Unrecorded" }));
  expect(refusal).toMatchObject({ code: "internal", reason: "INTERNAL" });
  const issued = service.admin.apiKeys.issue({ serviceAccountId: key.serviceAccountId });
  await refusalOf(issued);
  const keys = () => database.query("select id from api_keys");
  const before = await keys();
  expect(await database.query("select id from groups where name = 'Unrecorded'")).toEqual([]);
  await database.query("drop trigger refuse on audit_pending");
  expect(await keys()).toHaveLength(before.length);
  await groups.createGroup({ name: "Unrecorded" });
  // The refusals were kept until they could be written.
  await service.auditRows(
    "action in ('CreateGroup', 'IssueApiKey') and reason = 'INTERNAL'",
    [],
    2,
  );
});

test("the filters choose by account, address and request", async () => {
  const client = createClient(AuditService, made());
  const { id } = await service.admin.serviceAccounts.create({ accountId: "acc-123", name: "F" });
  const event = await newest("CreateServiceAccount", id);
  const listed = async (filter: object) => (await client.listAuditEvents(filter)).auditEvents;
  expect((await listed({ requestId: event.requestId })).map(({ id }) => id)).toEqual([event.id]);
  const ofAccount = await listed({ accountId: "acc-123" });
  expect(ofAccount.map(({ id }) => id)).toContain(event.id);
  expect(new Set(ofAccount.map(({ accountId }) => accountId))).toEqual(new Set(["acc-123"]));
  expect(await listed({ address: "192.0.2.9" })).toEqual([]);
  expect((await listed({ address: "127.0.0.1" })).length).toBeGreaterThan(0);
});

test("pages hold still while the log grows", async () => {
  const client = createClient(AuditService, made());
  const seen: bigint[] = [];
  const filter = { action: "CreateGroup", pageSize: 2 };
  const groups = createClient(GroupService, made());
  for (let pageToken = "", page = 0; page === 0 || pageToken !== ""; page++) {
    const answer = await client.listAuditEvents({ ...filter, pageToken });
    seen.push(...answer.auditEvents.map(({ sequence }) => sequence));
    pageToken = answer.nextPageToken;
    await groups.createGroup({ name: `Later ${page}` });
    await newest("CreateGroup");
  }
  expect(seen.length).toBeGreaterThan(4);
  expect(seen).toEqual(seen.toSorted((a, b) => Number(b - a)));
  expect(new Set(seen).size).toBe(seen.length);
});

test("what a refused call names has its place in the log, of whatever length and kind it is", async () => {
  const powerless = await service.issueKey([]);
  const transport = signedTransport(grpc, service, powerless);
  const client = createClient(ServiceAccountService, transport);
  const random = randomBytes(3_000).toString("base64");
  const names = [
    random,
    random.repeat(500),
    "\0",
    "\u{1f600}".repeat(120),
    `${"x".repeat(99)}\u{1f600}`,
  ];
  for (const accountId of names) {
    const list = client.listServiceAccounts({ accountId });
    const create = client.createServiceAccount({ accountId, name: "x" });
    for (const call of [list, create]) {
      expect((await refusalOf(call)).reason).toMatch(/^(PERMISSION_MISSING|FIELD_INVALID)$/);
    }
  }
  const all = 2 * names.length;
  const rows = await service.auditRows("api_key_id = $1", [powerless.apiKeyId], all);
  expect(rows).toHaveLength(all);
});
