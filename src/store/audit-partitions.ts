import { sql } from "kysely";
import type { Database } from "./database.ts";

/** A month in UTC, such as `2026-11`. */
export type Month = string;

export function monthOf(time: Date): Month {
  return time.toISOString().slice(0, -17);
}

/** The month so many months later. */
export function monthAfter(month: Month, count: number): Month {
  const time = new Date(`${month}-01T00:00:00Z`);
  time.setUTCMonth(time.getUTCMonth() + count);
  return monthOf(time);
}

/**
 * Makes the partition of a month, unless it is there. It is made apart and then attached, which readers
 * and writers of the others need not wait for.
 */
export async function ensureAuditPartition(db: Database, month: Month): Promise<void> {
  const name = sql.table(`audit_entries_${month.replace("-", "_")}`);
  const from = sql.lit(`${month}-01T00:00:00Z`);
  const to = sql.lit(`${monthAfter(month, 1)}-01T00:00:00Z`);
  const { rows } = await sql<{ exists: boolean }>`
    select to_regclass(${`audit_entries_${month.replace("-", "_")}`}) is not null as exists`.execute(
    db,
  );
  if (rows[0]?.exists === true) return;
  await db.transaction().execute(async (tx) => {
    await sql`create table ${name} (like audit_entries including storage)`.execute(tx);
    await sql`
      alter table audit_entries attach partition ${name} for values from (${from}) to (${to})`.execute(
      tx,
    );
  });
}
