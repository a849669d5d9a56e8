import { type RawBuilder, sql } from "kysely";
import { auditHead } from "./audit-tail.ts";
import type { Queryable, Transaction } from "./database.ts";

/** Whose personal data is to be erased, and from when. */
export interface Erasure {
  organizationId: string;
  principalId: string;
  startTime: Date | undefined;
  endTime: Date | undefined;
}

/** So many entries are looked at in one statement, none of which may take long. */
const windowSize = 5_000;

/**
 * Erases the values and salts of a principal's personal data: all of its own events, and its own fields in
 * events of others.
 * @returns of how many events something was erased
 */
export async function erasePersonalData(tx: Transaction, erasure: Erasure): Promise<number> {
  const { organizationId } = erasure;
  const first = await firstSequence(tx, organizationId);
  const last = await auditHead(tx, organizationId);
  let erased = await eraseBetween(tx, erasure, first, last);
  // Events that wait come late, as the sequencer waits for what is changed here until all of it is done.
  erased += await eraseIn(tx, "audit_pending", erasure, sql`true`);
  // Those that have got their numbers meanwhile.
  erased += await eraseBetween(tx, erasure, last + 1, await auditHead(tx, organizationId));
  return erased;
}

async function eraseBetween(
  tx: Transaction,
  erasure: Erasure,
  first: number,
  last: number,
): Promise<number> {
  let erased = 0;
  for (let from = first; from <= last; from += windowSize) {
    const window = sql`sequence between ${from} and ${Math.min(last, from + windowSize - 1)}`;
    erased += await eraseIn(tx, "audit_entries", erasure, window);
  }
  return erased;
}

async function firstSequence(db: Queryable, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom("audit_entries")
    .select("sequence")
    .where("organization_id", "=", organizationId)
    .orderBy("sequence")
    .limit(1)
    .executeTakeFirst();
  return row?.sequence ?? Number.POSITIVE_INFINITY;
}

async function eraseIn(
  tx: Transaction,
  table: "audit_pending" | "audit_entries",
  { organizationId, principalId, startTime, endTime }: Erasure,
  window: RawBuilder<unknown>,
): Promise<number> {
  const isOwn = sql`principal_id = ${principalId}`;
  // The names of members stand in entries about their groups, beside their identifiers.
  const isAbout = sql`(resource_id = ${principalId}
    or resource_type = 'Group' and position(convert_to(${principalId}, 'UTF8') in entry) > 0)`;
  const isField = sql`name like 'before.%' or name like 'after.%'`;
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} set
      address = case when ${isOwn} then '' else address end,
      personal = case when ${isOwn} then '{}' else (
        select coalesce(jsonb_object_agg(name, value), '{}')
        from jsonb_each(personal) as field (name, value) where not (${isField})) end
    where organization_id = ${organizationId} and ${window}
      and time >= ${startTime ?? null}::timestamptz is not false
      and time < ${endTime ?? null}::timestamptz is not false
      and case when ${isOwn} then personal <> '{}' or address <> ''
        else ${isAbout} and exists (
          select from jsonb_object_keys(personal) as name where ${isField}) end`.execute(tx);
  return Number(numAffectedRows);
}
