import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AuditEntrySchema } from "../../gen/pdaas/v1/audit_entry_pb.ts";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuditLog } from "../../src/audit/audit-log.ts";
import { BackgroundEvents, type WaitingEvent } from "../../src/audit/background-events.ts";
import { toEvent } from "../../src/audit/entry.ts";
import { newId } from "../../src/ids.ts";
import { insertAuditEvents } from "../../src/store/audit-pending.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";

/** Enough that none is taken for a flood. */
const organizationIds = Array.from({ length: 12 }, () => newId("org"));
const organizationId = organizationIds[0] as string;
let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.poolConfig);
  await database.query(
    `insert into organizations (id, slug, name, sealed_data_key)
     select id, 'org' || n, '', '' from unnest($1::text[]) with ordinality as o (id, n)`,
    [organizationIds],
  );
});
afterEach(async () => {
  await db.destroy();
  await database.drop();
});

const call = {
  organizationId,
  principal: undefined,
  action: "GetAccount",
  resourceType: "Account",
  resourceId: "acc-123",
  requestId: "req_1",
  address: "127.0.0.1",
  userAgent: "",
};
const refused = { outcome: AuditOutcome.REFUSED, reason: "TEST" };
/** No two of these calls are alike. */
const callFrom = (i: number) => ({
  ...call,
  organizationId: organizationIds[i % organizationIds.length] as string,
  address: `10.0.${i >> 8}.${i & 255}`,
});

async function write(events: WaitingEvent[]): Promise<void> {
  await insertAuditEvents(
    db,
    events.map(({ id, call, result }) => toEvent(call, result, id)),
  );
}

async function entries() {
  const rows = await database.query<{ entry: Buffer }>(
    "select entry from audit_pending order by position",
  );
  return rows.map(({ entry }) => fromBinary(AuditEntrySchema, entry));
}

test("what was recorded before the end is written at the end", async () => {
  const audit = new AuditLog(db, () => {});
  for (let i = 0; i < 1_234; i++) audit.recordRefusal(callFrom(i), "TEST");
  await audit.close();
  expect(await entries()).toHaveLength(1_234);
});

test("a flood of equal refusals is counted exactly, and few of them are there by themselves", async () => {
  const audit = new AuditLog(db, () => {});
  const before = Date.now();
  for (let i = 0; i < 25_000; i++) {
    audit.recordRefusal(call, "TEST");
    if (i % 2 === 0) audit.recordRefusal({ ...call, resourceId: `acc-${i}` }, "OTHER");
    if (i % 5 === 0) audit.recordRefusal({ ...call, address: "127.0.0.2" }, "TEST");
    audit.ensureCanRecord();
  }
  await audit.close();
  const all = await entries();
  const byReason = Map.groupBy(all, ({ reason }) => reason);
  const counted = (reason: string) =>
    byReason.get(reason)?.reduce((sum, { count }) => sum + Number(count), 0);
  expect(counted("TEST")).toBe(30_000);
  expect(counted("OTHER")).toBe(12_500);
  expect(all.length).toBeLessThan(60);
  const [flood] = all.filter(({ reason, count }) => reason === "OTHER" && count > 1n);
  expect(flood?.resourceId).toBe("");
  const [same] = all.filter(({ reason, count }) => reason === "TEST" && count > 1n);
  expect(same?.resourceId).toBe("acc-123");
  if (same?.time === undefined || same.lastTime === undefined) throw new Error("no times");
  expect(timestampDate(same.time).getTime()).toBeGreaterThanOrEqual(before);
  expect(timestampDate(same.lastTime) >= timestampDate(same.time)).toBe(true);
});

test("a flood is written while it goes on", async () => {
  const audit = new AuditLog(db, () => {});
  const flood = setInterval(() => audit.recordRefusal(call, "TEST"), 5);
  const counted = async () => (await entries()).filter(({ count }) => count > 1n).length;
  await expect.poll(counted, { timeout: 20_000 }).toBeGreaterThan(0);
  clearInterval(flood);
  await audit.close();
});

test("a flood of refusals from many addresses is counted exactly, and leaves room for others", async () => {
  const audit = new AuditLog(db, () => {});
  for (let i = 0; i < 20_000; i++) {
    const address = i % 2 === 0 ? `10.0.${i >> 8}.${i & 255}` : `2001:db8::${i.toString(16)}`;
    audit.recordRefusal({ ...call, address, apiKeyId: `key_${i % 3}` }, "TEST");
    audit.ensureCanRecord();
  }
  audit.recordRefusal({ ...call, organizationId: organizationIds[1] as string }, "TEST");
  await audit.close();
  const [mine, others] = [organizationId, organizationIds[1]].map((id) =>
    entries().then((all) => all.filter((entry) => entry.organizationId === id)),
  );
  expect(await others).toHaveLength(1);
  const flood = (await mine) ?? [];
  expect(flood.reduce((sum, { count }) => sum + Number(count), 0)).toBe(20_000);
  expect(flood.length).toBeLessThan(1_100);
  const broad = flood.toSorted((a, b) => Number(b.count - a.count))[0];
  expect(broad).toMatchObject({ apiKeyId: "", action: "GetAccount", reason: "TEST" });
  expect(broad?.addressCommitment).toHaveLength(0);
});

test("a batch whose answer was lost is there once, and holds up nothing", async () => {
  let lost = false;
  const events = new BackgroundEvents(
    async (events) => {
      await write(events);
      if (lost) return;
      lost = true;
      throw new Error("the answer was lost");
    },
    () => {},
  );
  events.add(call, refused);
  await expect.poll(() => lost).toBe(true);
  events.add(call, refused);
  await events.close();
  expect(await entries()).toHaveLength(2);
});

test("when no more can be kept, no call is answered, until they are written", async () => {
  let isDown = true;
  const events = new BackgroundEvents(
    async (events) => {
      if (isDown) throw new Error("down");
      await write(events);
    },
    () => {},
  );
  for (let i = 0; i < 10_000; i++) events.add(callFrom(i), refused);
  expect(() => events.ensureRoom()).toThrow(
    expect.objectContaining({ reason: "AUDIT_UNAVAILABLE" }),
  );
  isDown = false;
  await events.close();
  events.ensureRoom();
  expect(await entries()).toHaveLength(10_000);
});

test("the account is told of what a refused call was about, in its own organization", async () => {
  const [serviceAccountId, apiKeyId] = [newId("svc"), newId("key")];
  const stranger = organizationIds[1] as string;
  const owner = [serviceAccountId, organizationId];
  await database.query(
    "insert into accounts (organization_id, id, name, description) values ($1, 'acc-9', '', '')",
    [organizationId],
  );
  await database.query(
    `insert into service_accounts (id, organization_id, account_id, name, description, permissions)
     values ($1, $2, 'acc-9', '', '', '{}')`,
    owner,
  );
  await database.query(
    `insert into api_keys (id, service_account_id, organization_id, access_key, algorithm,
       sealed_secret, secret_version, description)
     values ($3, $1, $2, 'sa_x', '', '', 1, '')`,
    [...owner, apiKeyId],
  );
  const audit = new AuditLog(db, () => {});
  for (const from of [organizationId, stranger]) {
    for (const resourceId of [serviceAccountId, apiKeyId, "svc_nobodys", "svc_\0", "key_\ud800"]) {
      audit.recordRefusal({ ...call, organizationId: from, resourceId }, "TEST");
    }
  }
  await audit.close();
  const told = (await entries()).filter(({ accountId }) => accountId !== "");
  expect(told.map((entry) => [entry.organizationId, entry.resourceId, entry.accountId])).toEqual([
    [organizationId, serviceAccountId, "acc-9"],
    [organizationId, apiKeyId, "acc-9"],
  ]);
  expect(await entries()).toHaveLength(10);
});
