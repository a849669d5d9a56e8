import type { Insertable } from "kysely";
import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";

/** An event on its way into the log. */
export type NewAuditEvent = Insertable<Schema["audit_pending"]>;

/** Events that are there already, since the answer to an earlier attempt was lost, are left alone. */
export async function insertAuditEvents(db: Queryable, events: NewAuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await db
    .insertInto("audit_pending")
    .values(events)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

/** How long the event that waits longest has waited for its number, in seconds; 0 when none waits. */
export async function auditLagSeconds(db: Queryable): Promise<number> {
  const { rows } = await sql<{ lag: number | null }>`
    select greatest(extract(epoch from clock_timestamp() - write_time), 0)::float8 as lag
    from audit_pending order by position limit 1`.execute(db);
  return rows[0]?.lag ?? 0;
}
