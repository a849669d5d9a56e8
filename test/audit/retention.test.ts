import { createClient } from "@connectrpc/connect";
import { Client } from "pdaas";
import { leafHash, verifyConsistency, verifyInclusion, verifyTreeHead } from "pdaas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  AuditOutcome,
  type AuditProof,
  AuditService,
} from "../../gen/pdaas/v1/audit_service_pb.ts";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import { toEvent } from "../../src/audit/entry.ts";
import { leastIdAt, newId } from "../../src/ids.ts";
import { dropAuditEntries } from "../../src/rpc/audit/drop-audit-entries.ts";
import { monthOf } from "../../src/store/audit-partitions.ts";
import { insertAuditEvents } from "../../src/store/audit-pending.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const daySeconds = 86_400;
/** An organization, and a key that may do everything in it. */
interface Tenant {
  id: string;
  key: TestKey;
}

let service: TestService;
/** Keeps its log for ever. */
let keeping: Tenant;
/** Has a log that begins 400 days ago. */
let dropping: Tenant;
/** The first events of the one, and one of the other, from the same month as the third of those. */
let old: string[];
let keptOld: string;

beforeAll(async () => {
  service = await TestService.start();
  keeping = { id: service.organizationId, key: await service.issueKey() };
  const login = await addOrganization(service.database, "dropping");
  const [row] = await service.database.query<{ id: string }>(
    "select id from organizations where slug = 'dropping'",
  );
  const id = row?.id ?? "";
  old = [await recordOld(id, 400), await recordOld(id, 399), await recordOld(id, 200)];
  keptOld = await recordOld(keeping.id, 200);
  await service.auditRows("action = 'OldAction'", [], 4);
  const admin = new Client({ baseUrl: service.httpUrl, ...login });
  const { serviceAccounts } = admin;
  const bot = await serviceAccounts.create({
    accountId: "acc-123",
    name: "Bot",
    permissions: ["*"],
  });
  const key = await serviceAccounts.issueKey({ serviceAccountId: bot.id });
  await admin.close();
  dropping = { id, key: { ...key, apiKeyId: key.id, serviceAccountId: bot.id } };
});
afterAll(() => service[Symbol.asyncDispose]());

const made = ({ key }: Tenant) => signedTransport("connect-node gRPC, gRPC server", service, key);
const audit = (by: Tenant) => createClient(AuditService, made(by));
const organizations = (by: Tenant) => createClient(OrganizationService, made(by));
const retain = (by: Tenant, days: number) =>
  organizations(by).updateOrganization({
    auditRetention: { seconds: BigInt(days * daySeconds) },
    updateMask: { paths: ["audit_retention"] },
  });

const daysAgo = (days: number) => new Date(Date.now() - days * daySeconds * 1_000);

/** An event as it was recorded so many days ago. @returns its identifier */
async function recordOld(organizationId: string, days: number): Promise<string> {
  const call = {
    organizationId,
    principal: undefined,
    action: "OldAction",
    resourceType: "Account",
    resourceId: `${days} days`,
    requestId: "req_1",
    address: "192.0.2.77",
    userAgent: "",
  };
  const time = daysAgo(days);
  const event = toEvent(call, { outcome: AuditOutcome.OK, reason: "", time, count: 1 });
  const id = leastIdAt("evt", time);
  await insertAuditEvents(service.service.app.db, [{ ...event, id }]);
  return id;
}

/** The organization's tree, as the log has signed it. */
async function head(of: Tenant) {
  const { head, verifierKey } = await audit(of).getCheckpoint({});
  return verified(head, verifierKey);
}

function verified(head: AuditProof["head"], verifierKey: string) {
  if (head === undefined) throw new Error("no head");
  const { checkpoint: note, leaf, leafIndex, inclusion: inclusionProof } = head;
  const tree = { note, leaf, leafIndex: Number(leafIndex), inclusionProof };
  return verifyTreeHead(tree, [verifierKey]).organization;
}

const partitions = async () =>
  (
    await service.database.query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_entries'::regclass",
    )
  ).map(({ name }) => name);

const partitionOf = (days: number) => `audit_entries_${monthOf(daysAgo(days)).replace("-", "_")}`;

const drop = () => dropAuditEntries(service.service.app);

test("a retention is set in whole days, from 30 to 3650, and recorded as any change", async () => {
  for (const seconds of [29 * daySeconds, 30 * daySeconds + 1, 3651 * daySeconds]) {
    const refused = organizations(keeping).updateOrganization({
      auditRetention: { seconds: BigInt(seconds) },
      updateMask: { paths: ["audit_retention"] },
    });
    expect(await refusalOf(refused)).toMatchObject({ reason: "FIELD_INVALID" });
  }
  expect((await retain(keeping, 365)).organization?.auditRetention?.seconds).toBe(31_536_000n);
  await organizations(keeping).updateOrganization({ updateMask: { paths: ["audit_retention"] } });
  expect((await organizations(keeping).getOrganization({})).organization?.auditRetention).toBe(
    undefined,
  );
  await service.auditRows("action = 'UpdateOrganization' and outcome = 1", [], 2);
  const { auditEvents } = await audit(keeping).listAuditEvents({
    action: "UpdateOrganization",
    outcome: AuditOutcome.OK,
  });
  expect(auditEvents.map(({ changes }) => changes)).toMatchObject([
    [{ field: "audit_retention", before: '"31536000s"', after: "" }],
    [{ field: "audit_retention", before: "", after: '"31536000s"' }],
  ]);
});

test("nothing is dropped while nobody asks for it", async () => {
  await drop();
  expect(await service.recorded("action = 'OldAction'")).toHaveLength(4);
  expect(await service.recorded("action = 'DropAuditEntries'")).toEqual([]);
});

test("what is older is dropped, and the partition with it if nobody keeps any of it", async () => {
  const before = await head(dropping);
  await retain(dropping, 100);
  await drop();
  const left = await service.database.query<{ organization_id: string }>(
    "select organization_id from audit_entries where action = 'OldAction'",
  );
  expect(left).toEqual([{ organization_id: keeping.id }]);
  expect(await partitions()).not.toContain(partitionOf(400));
  expect(await partitions()).toContain(partitionOf(200));
  await drop();
  const [event, ...more] = await service.auditRows("action = 'DropAuditEntries'", [], 1);
  expect(more).toEqual([]);
  const { auditEvents } = await audit(dropping).listAuditEvents({});
  expect(auditEvents.map(({ action }) => action)).not.toContain("OldAction");
  const dropped = auditEvents.find(({ action }) => action === "DropAuditEntries");
  expect(event?.resource_id).toBe(dropping.id);
  expect(dropped?.changes).toMatchObject([
    { field: "audit_dropped_to", before: '"0"', after: '"3"' },
    { field: "audit_dropped_before", before: "" },
  ]);
  const now = await head(dropping);
  const { hashes } = await audit(dropping).getConsistencyProof({ oldSize: BigInt(before.size) });
  expect(verifyConsistency(before.size, before.root, now.size, now.root, hashes)).toBe(true);
});

test("what is left is proved as before", async () => {
  const { auditEvents } = await audit(dropping).listAuditEvents({});
  const { verifierKey } = await audit(dropping).getCheckpoint({});
  expect(auditEvents.at(-1)?.sequence).toBe(4n);
  for (const { id } of auditEvents) {
    const { proof } = await audit(dropping).getAuditEvent({ auditEventId: id });
    const { size, root } = verified(proof?.head, verifierKey);
    const leaf = leafHash(proof?.entry ?? new Uint8Array());
    const path = proof?.inclusion ?? [];
    expect(verifyInclusion(leaf, Number(proof?.leafIndex), size, path, root)).toBe(true);
  }
});

test("a dropped event is told from one that never was", async () => {
  const found = (by: Tenant, auditEventId: string) => audit(by).getAuditEvent({ auditEventId });
  for (const id of old) {
    expect(await refusalOf(found(dropping, id))).toMatchObject({
      code: "not_found",
      reason: "AUDIT_EVENT_DROPPED",
      message: expect.stringContaining("was dropped"),
    });
    expect(await refusalOf(found(keeping, id))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
  }
  const { auditEvent } = await found(keeping, keptOld);
  expect(auditEvent?.action).toBe("OldAction");
  expect(await refusalOf(found(dropping, newId("evt")))).toMatchObject({
    reason: "RESOURCE_NOT_FOUND",
  });
});

test("what came late stays until all before it is old", async () => {
  await retain(keeping, 100);
  await drop();
  expect(await service.recorded("action = 'OldAction'")).toHaveLength(1);
  expect(await partitions()).toContain(partitionOf(200));
});

test("processes that drop at once record it once", async () => {
  const drops = () =>
    service.recorded("action = 'DropAuditEntries' and resource_id = $1", [dropping.id]);
  expect(await drops()).toHaveLength(1);
  const later = new Date(Date.now() + 200 * daySeconds * 1_000);
  await Promise.all([1, 2, 3].map(() => dropAuditEntries(service.service.app, later)));
  expect(await drops()).toHaveLength(1);
  // The one before was dropped itself, and what comes next finds its place.
  await retain(dropping, 365);
  await service.auditRows(
    "action = 'UpdateOrganization' and organization_id = $1",
    [dropping.id],
    1,
  );
});
