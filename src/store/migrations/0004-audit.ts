import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Kysely, sql } from "kysely";
import { commitment, saltLength } from "pdaas/audit";
import { AuditEntrySchema } from "../../../gen/pdaas/v1/audit_entry_pb.ts";
import type { AuditOutcome } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import type { PrincipalType } from "../../../gen/pdaas/v1/auth_service_pb.ts";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
  await moveEvents(db);
  await sql.raw("drop table audit_events").execute(db);
}

/** What the log is searched by; all of it stands in the entry as well, or the entry commits to it. */
const columns = `
    id text not null,
    organization_id text not null,
    time timestamptz not null,
    principal_type smallint not null,
    principal_id text not null,
    api_key_id text not null,
    session_id text not null,
    action text not null,
    resource_type text not null,
    resource_id text not null,
    parent_id text not null,
    account_id text not null,
    outcome smallint not null,
    reason text not null,
    request_id text not null,
    address text not null,
    entry bytea not null,
    personal jsonb not null`;

const statements = [
  // Every row is deleted soon after it was inserted, so this is vacuumed by number and not by share.
  `create table audit_pending (
    position bigint generated always as identity primary key,
    write_time timestamptz not null default clock_timestamp(),
    ${columns},
    unique (id),
    foreign key (organization_id) references organizations (id)
  ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)`,
  `create table audit_entries (
    sequence bigint not null,
    ${columns},
    primary key (organization_id, sequence, time),
    unique (id, time)
  ) partition by range (time)`,
  "create index audit_entries_by_time on audit_entries (organization_id, time)",
  "create index audit_entries_by_principal on audit_entries (organization_id, principal_id, sequence)",
  "create index audit_entries_by_resource on audit_entries (organization_id, resource_id, sequence)",
  "create index audit_entries_by_address on audit_entries (organization_id, address, sequence)",
  "create index audit_entries_by_request on audit_entries (organization_id, request_id)",
  `create index audit_entries_by_account on audit_entries (organization_id, account_id, sequence)
    where account_id <> ''`,
  `create table audit_trees (
    organization_id text primary key references organizations (id),
    size bigint not null,
    hashes bytea not null,
    leaf_index bigint not null
  )`,
  // Hashes are random: to try to compress them is in vain.
  `create table audit_tiles (
    tree_id text not null,
    level smallint not null,
    index bigint not null,
    hashes bytea not null,
    primary key (tree_id, level, index)
  )`,
  "alter table audit_tiles alter hashes set storage external",
  `create table audit_log (
    singleton boolean primary key default true check (singleton),
    epoch bigint not null default 0,
    size bigint not null default 0,
    hashes bytea not null default '',
    checkpoint text not null default ''
  )`,
  "insert into audit_log default values",
  `create table audit_keys (
    id text primary key,
    sealed_private_key bytea not null,
    create_time timestamptz not null default now()
  )`,
];

/** A row of the table that went before. */
interface EventRow {
  sequence: number;
  id: string;
  organization_id: string;
  time: Date;
  principal_type: PrincipalType;
  principal_id: string;
  api_key_id: string;
  session_id: string;
  action: string;
  resource_type: string;
  resource_id: string;
  parent_id: string;
  outcome: AuditOutcome;
  reason: string;
  request_id: string;
  address: string;
  user_agent: string;
}

const batchSize = 1_000;

/** What was recorded before goes first into the log, in its order. */
async function moveEvents(db: Kysely<unknown>): Promise<void> {
  for (let after = 0; ; ) {
    const { rows } = await sql<EventRow>`
      select * from audit_events where sequence > ${after}
      order by sequence limit ${batchSize}`.execute(db);
    if (rows.length === 0) return;
    const entries = JSON.stringify(rows.map(pendingOf));
    await sql`
      insert into audit_pending (${sql.join(pendingColumns.map((name) => sql.ref(name)))})
      select ${sql.join(pendingColumns.map((name) => sql.ref(name)))}
      from json_populate_recordset(null::audit_pending, ${entries}) with ordinality
      order by ordinality`.execute(db);
    after = rows.at(-1)?.sequence ?? after;
  }
}

const pendingColumns = [
  ...["id", "organization_id", "time", "principal_type", "principal_id", "api_key_id"],
  ...["session_id", "action", "resource_type", "resource_id", "parent_id", "account_id"],
  ...["outcome", "reason", "request_id", "address", "entry", "personal"],
];

function pendingOf({ sequence: _, user_agent: userAgent, ...row }: EventRow): object {
  const address = committed(row.address);
  const agent = committed(userAgent);
  const entry = create(AuditEntrySchema, {
    id: row.id,
    time: timestampFromDate(row.time),
    organizationId: row.organization_id,
    principalType: row.principal_type,
    principalId: row.principal_id,
    apiKeyId: row.api_key_id,
    sessionId: row.session_id,
    action: row.action,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    parentId: row.parent_id,
    outcome: row.outcome,
    reason: row.reason,
    requestId: row.request_id,
    addressCommitment: address.commitment,
    userAgentCommitment: agent.commitment,
    count: 1n,
  });
  return {
    ...row,
    account_id: "",
    entry: `\\x${Buffer.from(toBinary(AuditEntrySchema, entry)).toString("hex")}`,
    personal: {
      ...(address.revealed && { address: address.revealed }),
      ...(agent.revealed && { user_agent: agent.revealed }),
    },
  };
}

function committed(value: string) {
  if (value === "") return { commitment: new Uint8Array() };
  const salt = randomBytes(saltLength);
  return {
    commitment: commitment(salt, value),
    revealed: { salt: salt.toString("base64"), value },
  };
}
