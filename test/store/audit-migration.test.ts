import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Kysely } from "kysely";
import { commitment } from "pdaas/audit";
import pg from "pg";
import { expect, inject, test } from "vitest";
import { AuditEntrySchema } from "../../gen/pdaas/v1/audit_entry_pb.ts";
import { openDatabase } from "../../src/store/database.ts";
import * as initial from "../../src/store/migrations/0001-initial.ts";
import * as keyLifecycle from "../../src/store/migrations/0002-key-lifecycle.ts";
import * as access from "../../src/store/migrations/0003-access.ts";
import * as audit from "../../src/store/migrations/0004-audit.ts";

const server = { host: inject("postgresSocket"), user: "pdaas", database: "postgres" };
const name = "test_audit_migration";

test("what was recorded before is on its way into the log, in its order", async () => {
  await using cleanup = new AsyncDisposableStack();
  const admin = new pg.Client(server);
  await admin.connect();
  cleanup.defer(() => admin.end());
  await admin.query(`create database ${name}`);
  cleanup.defer(async () => void (await admin.query(`drop database ${name} with (force)`)));
  const db = openDatabase({ ...server, database: name }) as unknown as Kysely<unknown>;
  cleanup.defer(() => db.destroy());
  const client = new pg.Client({ ...server, database: name });
  await client.connect();
  cleanup.defer(() => client.end());

  for (const migration of [initial, keyLifecycle, access]) await migration.up(db);
  await client.query(`
    insert into organizations (id, slug, name, sealed_data_key) values ('org_1', 'a', '', '')`);
  await client.query(`
    insert into audit_events (id, organization_id, time, principal_type, principal_id, api_key_id,
      session_id, action, resource_type, resource_id, outcome, reason, request_id, address,
      user_agent, parent_id)
    select 'evt_' || n, 'org_1', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second', 1,
      'usr_1', '', 'ses_1', 'Action' || n, 'Account', 'acc-1', 2, 'REASON', 'req_' || n,
      case when n = 1 then '' else '192.0.2.' || n % 256 end, 'agent "' || n || '" \\', 'acc-2'
    from generate_series(1, 2500) as n`);
  await audit.up(db);

  const { rows } = await client.query("select * from audit_pending order by position");
  expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 2_500 }, (_, i) => `evt_${i + 1}`));
  const entries = rows.map(({ entry }) => fromBinary(AuditEntrySchema, entry));
  expect(entries.map(({ action }) => action)).toEqual(rows.map(({ action }) => action));
  const [first, second] = entries;
  expect(first?.addressCommitment).toHaveLength(0);
  expect(second).toMatchObject({ principalId: "usr_1", parentId: "acc-2", count: 1n, outcome: 2 });
  expect(second?.time && timestampDate(second.time)).toEqual(new Date("2026-01-01T00:00:02Z"));
  const { address, user_agent: agent } = rows[1].personal;
  expect([address.value, agent.value]).toEqual(["192.0.2.2", 'agent "2" \\']);
  expect(Buffer.from(second?.addressCommitment ?? [])).toEqual(
    commitment(Buffer.from(address.salt, "base64"), address.value),
  );
});
