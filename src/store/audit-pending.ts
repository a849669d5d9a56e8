import { type Insertable, sql } from "kysely";
import { patientStatement, planOnce } from "./connection.ts";
import type { Queryable, Transaction } from "./database.ts";
import type { Schema } from "./schema.ts";

/** An event on its way into the log. */
export type NewAuditEvent = Insertable<Schema["audit_pending"]>;

/** What an event on its way into the log has, and an entry of the log as well. */
export const eventColumns = [
  ...(["id", "organization_id", "time", "principal_type", "principal_id", "api_key_id"] as const),
  ...(["session_id", "action", "resource_type", "resource_id", "parent_id"] as const),
  ...(["account_id", "outcome", "reason", "request_id", "address", "entry", "personal"] as const),
] satisfies (keyof NewAuditEvent)[];

/** All of them, in SQL. */
export const eventColumnList = sql.raw(eventColumns.join(", "));

const insertion = `
  insert into audit_pending (${eventColumns.join(", ")})
  values (${eventColumns.map((_, i) => `$${i + 1}`).join(", ")})`;
planOnce(insertion, "audit_event");
const insertWithNext = patientStatement(insertion);

/** It is written with the next statement of the transaction, which fails if it cannot be. */
export async function insertAuditEvent(tx: Transaction, event: NewAuditEvent): Promise<void> {
  const plain = { ...event, time: event.time.toISOString() };
  await insertWithNext(
    tx,
    eventColumns.map((name) => plain[name]),
  );
}

/**
 * Events that are there already, since the answer to an earlier attempt was lost, are left alone. All are
 * one parameter, in JSON: thousands of them would cost more to write down than to write.
 */
export async function insertAuditEvents(db: Queryable, events: NewAuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql`
    insert into audit_pending (${eventColumnList})
    select ${eventColumnList} from json_populate_recordset(null::audit_pending, ${toJson(events)}::json)
      with ordinality
    order by ordinality
    on conflict (id) do nothing`.execute(db);
}

function toJson(events: NewAuditEvent[]): string {
  const rows = events.map(({ entry, personal, ...event }) => ({
    ...event,
    entry: `\\x${entry.toString("hex")}`,
    personal: JSON.parse(personal),
  }));
  // Postgres takes no half of a character.
  return JSON.stringify(rows, (_, value) =>
    typeof value === "string" ? value.toWellFormed() : value,
  );
}

/** How long the event that waits longest has waited for its number, in seconds; 0 when none waits. */
export async function auditLagSeconds(db: Queryable): Promise<number> {
  const { rows } = await sql<{ lag: number | null }>`
    select greatest(extract(epoch from clock_timestamp() - write_time), 0)::float8 as lag
    from audit_pending order by position limit 1`.execute(db);
  return rows[0]?.lag ?? 0;
}
