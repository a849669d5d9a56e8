import type { Selectable } from "kysely";
import type { Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";

/** An event that has its number. */
export type AuditEventRow = Selectable<Schema["audit_entries"]>;

export async function findAuditEvent(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<AuditEventRow | undefined> {
  return db
    .selectFrom("audit_entries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** The newest event of a request. */
export async function findAuditEventOfRequest(
  db: Queryable,
  organizationId: string,
  requestId: string,
): Promise<AuditEventRow | undefined> {
  return db
    .selectFrom("audit_entries")
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
    .selectFrom("audit_entries")
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
  accountId: string;
  address: string;
  requestId: string;
  outcome: number;
}

/** By column, and by name in a filter. */
export const filteredColumns = [
  ["principal_id", "principalId"],
  ["action", "action"],
  ["resource_id", "resourceId"],
  ["account_id", "accountId"],
  ["address", "address"],
  ["request_id", "requestId"],
] as const;

/** Newest first, those before the sequence number `before`. */
export async function listAuditEvents(
  db: Queryable,
  organizationId: string,
  filter: AuditFilter,
  page: { before: number; limit: number },
): Promise<AuditEventRow[]> {
  let query = db
    .selectFrom("audit_entries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sequence", "<", page.before)
    .orderBy("sequence", "desc")
    .limit(page.limit);
  if (filter.startTime !== undefined) query = query.where("time", ">=", filter.startTime);
  if (filter.endTime !== undefined) query = query.where("time", "<", filter.endTime);
  if (filter.outcome !== 0) query = query.where("outcome", "=", filter.outcome);
  for (const [column, name] of filteredColumns) {
    if (filter[name] !== "") query = query.where(column, "=", filter[name]);
  }
  return query.execute();
}
