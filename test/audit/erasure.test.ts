import { createClient } from "@connectrpc/connect";
import { leafHash, verifyInclusion, verifyTreeHead } from "pdaas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditOutcome, AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { GroupService } from "../../gen/pdaas/v1/group_service_pb.ts";
import { UserService } from "../../gen/pdaas/v1/user_service_pb.ts";
import { erasePersonalData } from "../../src/store/audit-erasure.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let key: TestKey;
/** A person who was made a member of a group, renamed, and deleted again. */
let userId: string;

const email = "jane.doe@myorg.example";
const name = "Jane Doe-Miller";
const address = "203.0.113.77";
const userAgent = "Jane's own browser";

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
  const users = createClient(UserService, made());
  const groups = createClient(GroupService, made());
  userId = (await users.createUser({ email, name })).user?.id ?? "";
  const groupId = (await groups.createGroup({ name: "Team" })).group?.id ?? "";
  await groups.addGroupMember({ groupId, memberId: userId });
  await users.updateUser({ userId, name: `${name} II`, updateMask: { paths: ["name"] } });
  await recordEvents(service, 3, { principal: principal(userId), address, userAgent });
  await users.deleteUser({ userId });
  await service.auditRows("resource_id = $1 and action = 'DeleteUser'", [userId], 1);
});
afterAll(() => service[Symbol.asyncDispose]());

const made = () => signedTransport("connect-node gRPC, gRPC server", service, key);
const audit = () => createClient(AuditService, made());
const principal = (id: string) => ({ id, type: 1, apiKeyId: "", sessionId: "ses_1" }) as never;
const erase = (request: object) =>
  audit().eraseAuditPersonalData({ principalId: userId, ...request });

/** All rows of all tables, as text. */
async function dump(): Promise<string> {
  const tables = await service.database.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  const rows = await Promise.all(
    tables.map(({ name }) => service.database.query(`select t::text as row from "${name}" as t`)),
  );
  const text = JSON.stringify(rows);
  // Bytes are written in hexadecimal.
  return (
    text +
    Buffer.from(
      text
        .match(/\\\\x[0-9a-f]+/g)
        ?.join("")
        .replaceAll(/\\\\x/g, "") ?? "",
      "hex",
    )
  );
}

test("what was erased is nowhere, and every proof holds as before", async () => {
  const before = await dump();
  for (const value of [email, name, address, userAgent]) expect(before).toContain(value);
  const { erased } = await erase({});
  // Created, added, renamed, deleted, and three calls.
  expect(erased).toBe(7n);
  const after = await dump();
  for (const value of [email, name, address, userAgent]) expect(after).not.toContain(value);
  const { auditEvents } = await audit().listAuditEvents({ principalId: userId });
  expect(auditEvents).toHaveLength(3);
  const { verifierKey } = await audit().getCheckpoint({});
  for (const event of auditEvents) {
    expect(event).toMatchObject({ address: "", userAgent: "", reason: "TEST" });
    const { proof } = await audit().getAuditEvent({ auditEventId: event.id });
    expect(proof?.reveals).toEqual([]);
    expect(holds(proof, verifierKey)).toBe(true);
  }
});

function holds(proof: Awaited<ReturnType<typeof getProof>>, verifierKey: string): boolean {
  if (proof?.head === undefined) throw new Error("no proof");
  const { checkpoint: note, leaf, leafIndex, inclusion: inclusionProof } = proof.head;
  const tree = { note, leaf, leafIndex: Number(leafIndex), inclusionProof };
  const { size, root } = verifyTreeHead(tree, [verifierKey]).organization;
  const { entry, inclusion } = proof;
  return verifyInclusion(leafHash(entry), Number(proof.leafIndex), size, inclusion, root);
}

const getProof = async (auditEventId: string) =>
  (await audit().getAuditEvent({ auditEventId })).proof;

test("what others have done to it keeps their own addresses, and an event tells of the erasure", async () => {
  const { auditEvents } = await audit().listAuditEvents({ resourceId: userId });
  const created = auditEvents.find(({ action }) => action === "CreateUser");
  expect(created).toMatchObject({ address: "127.0.0.1", outcome: AuditOutcome.OK });
  expect(created?.changes).toContainEqual(
    expect.objectContaining({ field: "email", before: "", after: "" }),
  );
  const told = async () =>
    (await audit().listAuditEvents({ action: "EraseAuditPersonalData" })).auditEvents;
  await expect.poll(told).toHaveLength(1);
  const [event] = await told();
  expect(event).toMatchObject({ resourceId: userId, address: "127.0.0.1" });
  expect(event?.changes).toMatchObject([{ field: "erased", before: "", after: '"7"' }]);
  expect((await erase({})).erased).toBe(0n);
});

test("a time range, and other principals and organizations, are kept to", async () => {
  const { serviceAccountId: id } = await service.issueKey([]);
  await recordEvents(service, 2, { principal: principal(id), address: "203.0.113.1" });
  await service.auditRows("principal_id = $1", [id], 2);
  const soon = { seconds: BigInt(Math.ceil(Date.now() / 1_000) + 60), nanos: 0 };
  const range = (bounds: object) => audit().eraseAuditPersonalData({ principalId: id, ...bounds });
  expect((await range({ startTime: soon })).erased).toBe(0n);
  expect((await range({ endTime: { seconds: 1n, nanos: 0 } })).erased).toBe(0n);
  const others = { startTime: undefined, endTime: undefined, principalId: id };
  const { db } = service.service.app;
  const elsewhere = await db
    .transaction()
    .execute((tx) => erasePersonalData(tx, { ...others, organizationId: "org_other" }));
  expect(elsewhere).toBe(0);
  expect((await range({ endTime: soon })).erased).toBe(2n);
});

test("what waits for its number is erased too", async () => {
  const { serviceAccountId: id } = await service.issueKey([]);
  const { db } = service.service.app;
  await db.transaction().execute(async (tx) => {
    await recordEvents(service, 1, { principal: principal(id), address: "203.0.113.9", db: tx });
    const erasure = { startTime: undefined, endTime: undefined, principalId: id };
    const { organizationId } = service;
    expect(await erasePersonalData(tx, { ...erasure, organizationId })).toBe(1);
  });
  const [row] = await service.auditRows("principal_id = $1", [id], 1);
  expect(row?.address).toBe("");
});

test("it takes a permission of its own", async () => {
  const reader = await service.issueKey(["AuditEvents.read"]);
  const client = createClient(
    AuditService,
    signedTransport("connect-node gRPC, gRPC server", service, reader),
  );
  expect(await refusalOf(client.eraseAuditPersonalData({ principalId: userId }))).toMatchObject({
    reason: "PERMISSION_MISSING",
  });
});
