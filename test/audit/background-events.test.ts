import { afterEach, beforeEach, expect, test } from "vitest";
import { AuditLog } from "../../src/audit/audit-log.ts";
import { BackgroundEvents } from "../../src/audit/background-events.ts";
import { newId } from "../../src/ids.ts";
import { insertAuditEvents, type NewAuditEvent } from "../../src/store/audit-events.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";

const organizationId = newId("org");
let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.poolConfig);
  await database.query(
    "insert into organizations (id, slug, name, sealed_data_key) values ($1, 'myorg', '', '')",
    [organizationId],
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
  resourceId: "",
  requestId: "req_1",
  address: "127.0.0.1",
  userAgent: "",
};

function event(): NewAuditEvent {
  const { organizationId: _, principal: __, ...rest } = call;
  return {
    id: newId("evt"),
    organization_id: organizationId,
    time: new Date(),
    principal_type: 0,
    principal_id: "",
    api_key_id: "",
    session_id: "",
    action: rest.action,
    resource_type: rest.resourceType,
    resource_id: "",
    outcome: 2,
    reason: "TEST",
    request_id: rest.requestId,
    address: rest.address,
    user_agent: "",
    parent_id: "",
  };
}

test("what was recorded before the end is written at the end", async () => {
  const audit = new AuditLog(db, () => {});
  for (let i = 0; i < 1_234; i++) audit.recordRefusal(call, "TEST");
  await audit.close();
  expect(await database.query("select id from audit_events")).toHaveLength(1_234);
});

test("a batch whose answer was lost is there once, and holds up nothing", async () => {
  let lost = false;
  const events = new BackgroundEvents(
    async (events) => {
      await insertAuditEvents(db, events);
      if (lost) return;
      lost = true;
      throw new Error("the answer was lost");
    },
    () => {},
  );
  events.add(event());
  await expect.poll(() => lost).toBe(true);
  events.add(event());
  await events.close();
  expect(await database.query("select id from audit_events")).toHaveLength(2);
});

test("when no more can be kept, no call is answered, until they are written", async () => {
  let isDown = true;
  const events = new BackgroundEvents(
    async (events) => {
      if (isDown) throw new Error("down");
      await insertAuditEvents(db, events);
    },
    () => {},
  );
  for (let i = 0; i < 10_000; i++) events.add(event());
  expect(() => events.ensureRoom()).toThrow(
    expect.objectContaining({ reason: "AUDIT_UNAVAILABLE" }),
  );
  isDown = false;
  await events.close();
  events.ensureRoom();
  expect(await database.query("select id from audit_events")).toHaveLength(10_000);
});
