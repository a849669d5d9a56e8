import type { Selectable } from "kysely";
import type { Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";

export type AuditEventRow = Selectable<Schema["audit_events"]>;
export type NewAuditEvent = Omit<AuditEventRow, "sequence">;

/** Events that are there already, since the answer to an earlier attempt was lost, are left alone. */
export async function insertAuditEvents(db: Queryable, events: NewAuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await db
    .insertInto("audit_events")
    .values(events)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

/** The newest event of a request. */
export async function findAuditEventOfRequest(
  db: Queryable,
  organizationId: string,
  requestId: string,
): Promise<AuditEventRow | undefined> {
  return db
    .selectFrom("audit_events")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("request_id", "=", requestId)
    .orderBy("sequence", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** Calls of known principals since a time, newest first. */
export async function listRecentCalls(
  db: Queryable,
  organizationId: string,
  { since, limit }: { since: Date; limit: number },
): Promise<AuditEventRow[]> {
  return db
    .selectFrom("audit_events")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("time", ">=", since)
    .where("principal_id", "!=", "")
    .orderBy("sequence", "desc")
    .limit(limit)
    .execute();
}

/** What is undefined or empty does not filter. */
export interface AuditFilter {
  startTime: Date | undefined;
  endTime: Date | undefined;
  principalId: string;
  action: string;
  resourceId: string;
  outcome: number;
}

/** Newest first, those before the sequence number `before`. */
export async function listAuditEvents(
  db: Queryable,
  organizationId: string,
  filter: AuditFilter,
  page: { before: number; limit: number },
): Promise<AuditEventRow[]> {
  let query = db
    .selectFrom("audit_events")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sequence", "<", page.before)
    .orderBy("sequence", "desc")
    .limit(page.limit);
  if (filter.startTime !== undefined) query = query.where("time", ">=", filter.startTime);
  if (filter.endTime !== undefined) query = query.where("time", "<", filter.endTime);
  if (filter.principalId !== "") query = query.where("principal_id", "=", filter.principalId);
  if (filter.action !== "") query = query.where("action", "=", filter.action);
  if (filter.resourceId !== "") query = query.where("resource_id", "=", filter.resourceId);
  if (filter.outcome !== 0) query = query.where("outcome", "=", filter.outcome);
  return query.execute();
}
