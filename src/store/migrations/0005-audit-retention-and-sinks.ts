import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table organizations add column audit_retention_days integer
    check (audit_retention_days between 30 and 3650)`,
  // An entry that was dropped is no row any more: this says of which there were some.
  `create table audit_drops (
    organization_id text primary key references organizations (id),
    dropped_to bigint not null,
    dropped_before timestamptz not null
  )`,
  `create table audit_sinks (
    id text primary key,
    organization_id text not null references organizations (id),
    url text not null,
    enabled boolean not null default true,
    outcomes smallint[] not null,
    actions text[] not null,
    sealed_secret bytea not null,
    secret_version integer not null,
    delivered_sequence bigint not null,
    attempts integer not null default 0,
    last_error text not null default '',
    next_attempt_time timestamptz not null default now(),
    lease_id text not null default '',
    lease_end_time timestamptz not null default now(),
    create_time timestamptz not null default now(),
    update_time timestamptz not null default now()
  )`,
  "create index audit_sinks_by_organization on audit_sinks (organization_id)",
  // Not the events themselves, which retention and erasure could then not reach.
  `create table audit_failed_deliveries (
    id text primary key,
    organization_id text not null references organizations (id),
    sink_id text not null references audit_sinks (id) on delete cascade,
    first_sequence bigint not null,
    last_sequence bigint not null,
    attempts integer not null,
    last_error text not null,
    fail_time timestamptz not null default now(),
    retry_time timestamptz
  )`,
  "create index audit_failed_deliveries_by_sink on audit_failed_deliveries (sink_id, id)",
];
