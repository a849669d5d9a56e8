import { sql } from "kysely";
import { type Month, monthAfter } from "./audit-partitions.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

/** What retention has dropped of an organization's log. */
export interface AuditDrop {
  droppedTo: number;
  droppedBefore: Date;
}

export async function findAuditDrop(
  db: Queryable,
  organizationId: string,
): Promise<AuditDrop | undefined> {
  return db
    .selectFrom("audit_drops")
    .select(["dropped_to as droppedTo", "dropped_before as droppedBefore"])
    .where("organization_id", "=", organizationId)
    .executeTakeFirst();
}

/** Organizations that do not keep their log for ever. */
export async function listAuditRetentions(
  db: Queryable,
): Promise<{ organizationId: string; days: number }[]> {
  return db
    .selectFrom("organizations")
    .select(["id as organizationId", "audit_retention_days as days"])
    .where("audit_retention_days", "is not", null)
    .$narrowType<{ days: number }>()
    .execute();
}

/**
 * The last entry of those that lead up to the first one at or after a time: what happened before it is, but
 * for entries that were late, all before this number.
 */
export async function lastAuditEntryBefore(
  db: Queryable,
  organizationId: string,
  time: Date,
): Promise<number> {
  const { rows } = await sql<{ last: number }>`
    select coalesce(
      (select sequence - 1 from audit_entries
        where organization_id = ${organizationId} and time >= ${time} order by sequence limit 1),
      (select size from audit_trees where organization_id = ${organizationId}),
      0) as last`.execute(db);
  return rows[0]?.last ?? 0;
}

/** @returns whether it was news: another process may have been faster */
export async function saveAuditDrop(
  tx: Transaction,
  organizationId: string,
  { droppedTo, droppedBefore }: AuditDrop,
): Promise<boolean> {
  const drop = { dropped_to: droppedTo, dropped_before: droppedBefore };
  const { numInsertedOrUpdatedRows: count } = await tx
    .insertInto("audit_drops")
    .values({ organization_id: organizationId, ...drop })
    .onConflict((conflict) =>
      conflict
        .column("organization_id")
        .doUpdateSet(drop)
        .where("audit_drops.dropped_to", "<", droppedTo),
    )
    .executeTakeFirstOrThrow();
  return count === 1n;
}

const batchSize = 5_000;

/** Deletes the rows of dropped entries, so many at a time that nothing waits for long. */
export async function deleteDroppedEntries(db: Database): Promise<void> {
  for (const drop of await db.selectFrom("audit_drops").selectAll().execute()) {
    while ((await deleteBatch(db, drop)) > 0);
  }
}

async function deleteBatch(
  db: Database,
  drop: { organization_id: string; dropped_to: number; dropped_before: Date },
): Promise<number> {
  const { organization_id: id, dropped_to: last, dropped_before: before } = drop;
  const { numAffectedRows } = await sql`
    with first as (
      select sequence from audit_entries
      where organization_id = ${id} and sequence <= ${last} and time < ${before}
      order by sequence limit 1
    )
    delete from audit_entries as entry using first
    where entry.organization_id = ${id} and entry.time < ${before}
      and entry.sequence between first.sequence
        and least(${last}::bigint, first.sequence + ${batchSize}::bigint - 1)`.execute(db);
  return Number(numAffectedRows);
}

/** The months before this one that the log has partitions of. */
export async function listAuditPartitionsBefore(db: Queryable, month: Month): Promise<Month[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'audit_entries'::regclass order by relname`.execute(db);
  const months = rows.map(({ name }) => name.replace(/^audit_entries_(\d{4})_(\d\d)$/, "$1-$2"));
  return months.filter((each) => each < month);
}

/** Postgres advisory lock of the one process that drops partitions. */
const lockKey = 0x70646163;

/**
 * Drops a month's partition, if every entry in it is dropped.
 * @returns whether it was
 */
export async function dropAuditPartition(db: Database, month: Month): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(lockKey)})`.execute(tx);
    const months = await listAuditPartitionsBefore(tx, monthAfter(month, 1));
    if (!months.includes(month) || (await isKept(tx, month))) return false;
    // Readers and writers of all months wait for this: rather not now than for long.
    await sql`set local lock_timeout = '2s'`.execute(tx);
    await sql`lock table only audit_entries in access exclusive mode`.execute(tx);
    // Something may have come into it meanwhile.
    if (await isKept(tx, month)) return false;
    await sql`alter table audit_entries detach partition ${tableOf(month)}`.execute(tx);
    await sql`drop table ${tableOf(month)}`.execute(tx);
    return true;
  });
}

async function isKept(db: Queryable, month: Month): Promise<boolean> {
  const { rows } = await sql<{ kept: boolean }>`
    select exists (
      select from audit_trees as tree left join audit_drops as gone using (organization_id)
      where exists (
        select from ${tableOf(month)} as entry
        where entry.organization_id = tree.organization_id
          and entry.sequence > coalesce(gone.dropped_to, 0))) as kept`.execute(db);
  return rows[0]?.kept !== false;
}

const tableOf = (month: Month) => sql.table(`audit_entries_${month.replace("-", "_")}`);
