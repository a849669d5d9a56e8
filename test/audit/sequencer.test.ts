import { generateKeyPairSync } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import type pg from "pg";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { AuditEntrySchema } from "../../gen/pdaas/v1/audit_entry_pb.ts";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { toEvent } from "../../src/audit/entry.ts";
import { CompactRange, leafHash } from "../../src/audit/merkle.ts";
import { Partitions } from "../../src/audit/partitions.ts";
import { FencedError, sequenceBatch } from "../../src/audit/sequence-batch.ts";
import { Sequencer } from "../../src/audit/sequencer.ts";
import { rangeOf } from "../../src/audit/tiles.ts";
import { newId } from "../../src/ids.ts";
import { insertAuditEvents } from "../../src/store/audit-pending.ts";
import { listPendingEntries, raiseAuditEpoch } from "../../src/store/audit-sequencing.ts";
import { readHeads } from "../../src/store/audit-trees.ts";
import { type Database, openDatabase, type Queryable } from "../../src/store/database.ts";
import { takeLead } from "../../src/store/leadership.ts";
import { Cable } from "../harness/cable.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";

const signer = { name: "pdaas/test", privateKey: generateKeyPairSync("ed25519").privateKey };
const organizations = [newId("org"), newId("org"), newId("org")] as const;
let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.poolConfig);
  for (const id of organizations) {
    await database.query(
      "insert into organizations (id, slug, name, sealed_data_key) values ($1, $1, '', '')",
      [id],
    );
  }
});
afterEach(async () => {
  await db.destroy();
  await database.drop();
});

function event(action: string, organizationId: string = organizations[0], time = new Date()) {
  const call = {
    organizationId,
    principal: undefined,
    action,
    resourceType: "Account",
    resourceId: "",
    requestId: "req_1",
    address: "127.0.0.1",
    userAgent: "",
  };
  return toEvent(call, { outcome: AuditOutcome.OK, reason: "", time, count: 1 });
}

const record = (on: Queryable, ...events: ReturnType<typeof event>[]) =>
  insertAuditEvents(on, events);

/** Sequences what waits, as a leader does. */
async function sequence(epoch: number): Promise<string | undefined> {
  const pending = await listPendingEntries(db, 4_000);
  await new Partitions(db).ensure(pending);
  return sequenceBatch(db, epoch, signer, pending);
}

/** What the log has of an organization, after holding that it is all of its tree. */
async function logOf(organizationId: string): Promise<string[]> {
  const rows = await database.query<{ sequence: string; entry: Buffer }>(
    "select sequence, entry from audit_entries where organization_id = $1 order by sequence",
    [organizationId],
  );
  expect(rows.map((row) => Number(row.sequence))).toEqual(rows.map((_, i) => i + 1));
  const range = CompactRange.of(0, []);
  for (const { entry } of rows) range.append(leafHash(entry));
  const { organization } = await readHeads(db, organizationId);
  expect(organization?.size ?? 0).toBe(rows.length);
  if (organization !== undefined) expect(rangeOf(organization).root()).toEqual(range.root());
  return rows.map(({ entry }) => fromBinary(AuditEntrySchema, entry).action);
}

test("each organization has numbers of its own, without gaps", async () => {
  const epoch = await raiseAuditEpoch(db);
  for (let round = 0; round < 5; round++) {
    for (const [i, id] of organizations.entries()) {
      const many = Array.from({ length: 7 * (i + 1) }, (_, n) => event(`${round}.${n}`, id));
      await record(db, ...many);
    }
    await sequence(epoch);
  }
  for (const [i, id] of organizations.entries()) {
    const expected = Array.from({ length: 5 }, (_, round) =>
      Array.from({ length: 7 * (i + 1) }, (_, n) => `${round}.${n}`),
    );
    expect(await logOf(id)).toEqual(expected.flat());
  }
});

test("what is committed late is not forgotten", async () => {
  const epoch = await raiseAuditEpoch(db);
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: isWritten, resolve: written } = Promise.withResolvers<void>();
  const late = db.transaction().execute(async (tx) => {
    await record(tx, event("Late"));
    written();
    await mayCommit;
  });
  await isWritten;
  await record(db, event("Early"));
  await sequence(epoch);
  expect(await logOf(organizations[0])).toEqual(["Early"]);
  commit();
  await late;
  await sequence(epoch);
  expect(await logOf(organizations[0])).toEqual(["Early", "Late"]);
});

test("a sequencer whose epoch is over commits nothing", async () => {
  const stale = await raiseAuditEpoch(db);
  await record(db, event("First"));
  await sequence(stale);
  const current = await raiseAuditEpoch(db);
  await record(db, event("Second"));
  await expect(sequence(stale)).rejects.toThrow(FencedError);
  expect(await logOf(organizations[0])).toEqual(["First"]);
  await sequence(current);
  await expect(sequence(stale)).rejects.toThrow(FencedError);
  expect(await logOf(organizations[0])).toEqual(["First", "Second"]);
});

test("of what two sequencers take at once, each is in the log once", async () => {
  const stale = await raiseAuditEpoch(db);
  await record(db, ...Array.from({ length: 500 }, (_, i) => event(String(i))));
  const taken = await listPendingEntries(db, 4_000);
  await new Partitions(db).ensure(taken);
  const current = await raiseAuditEpoch(db);
  const outcomes = await Promise.allSettled([
    sequenceBatch(db, stale, signer, taken),
    sequenceBatch(db, current, signer, taken),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect(await logOf(organizations[0])).toHaveLength(500);
});

test("what was written again, as the answer was lost, is in the log once", async () => {
  const epoch = await raiseAuditEpoch(db);
  const repeated = event("Repeated");
  await record(db, repeated);
  await sequence(epoch);
  await record(db, repeated, event("Other"));
  await sequence(epoch);
  await record(db, repeated);
  expect(await sequence(epoch)).toBeUndefined();
  expect(await logOf(organizations[0])).toEqual(["Repeated", "Other"]);
  expect(await listPendingEntries(db, 10)).toEqual([]);
});

test("there is a partition for whatever month an event is of", async () => {
  const epoch = await raiseAuditEpoch(db);
  await record(db, event("Old", organizations[0], new Date("2019-12-31T23:59:59.999Z")));
  await record(db, event("Newer", organizations[0], new Date("2020-01-01T00:00:00Z")));
  await sequence(epoch);
  expect(await logOf(organizations[0])).toEqual(["Old", "Newer"]);
  const partitions = await database.query<{ name: string }>(
    "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_entries'::regclass",
  );
  expect(partitions.map(({ name }) => name)).toContain("audit_entries_2019_12");
});

/** A sequencer as a process has it, on connections that can be told by their name. */
function startSequencer(name: string, server: pg.PoolConfig = database.poolConfig): Sequencer {
  const config = { ...server, application_name: name };
  const sequencer = new Sequencer({
    signer,
    takeLead: (signal) => takeLead(config, signal),
    onError: () => {},
  });
  sequencer.start();
  return sequencer;
}

async function leaders(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and application_name like 'sequencer-%'
       and pg_stat_activity.datname = current_database() and granted`,
  );
  return rows.map(({ name }) => name);
}

test("one of several leads, and another one follows it", async () => {
  const first = startSequencer("sequencer-1");
  await expect.poll(leaders).toEqual(["sequencer-1"]);
  const second = startSequencer("sequencer-2");
  await record(db, event("First"));
  await expect.poll(() => logOf(organizations[0])).toEqual(["First"]);
  expect(await leaders()).toEqual(["sequencer-1"]);
  await first.close();
  await record(db, event("Second"));
  await expect.poll(() => logOf(organizations[0])).toEqual(["First", "Second"]);
  expect(await leaders()).toEqual(["sequencer-2"]);
  await second.close();
});

test("a leader whose connection is cut leads again, or another one does", async () => {
  const sequencer = startSequencer("sequencer-1");
  await expect.poll(leaders).toEqual(["sequencer-1"]);
  for (let round = 1; round <= 3; round++) {
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sequencer-1'",
    );
    await record(db, event(`After ${round}`));
    await expect.poll(() => logOf(organizations[0]), { timeout: 10_000 }).toHaveLength(round);
  }
  await sequencer.close();
});

test("a leader whose connection has gone silent is followed by another one", async () => {
  const cable = await Cable.lay(inject("postgresSocket"));
  const connectionString = cable.url(database.poolConfig.database as string);
  const silent = startSequencer("sequencer-1", { connectionString });
  await expect.poll(leaders).toEqual(["sequencer-1"]);
  const other = startSequencer("sequencer-2");
  cable.freeze();
  await record(db, event("After"));
  await expect.poll(leaders, { timeout: 20_000 }).toEqual(["sequencer-2"]);
  await expect.poll(() => logOf(organizations[0])).toEqual(["After"]);
  await silent.close();
  await other.close();
  await cable.remove();
});
