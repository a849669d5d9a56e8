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
];
