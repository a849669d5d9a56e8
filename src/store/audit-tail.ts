import type { AuditEventRow, AuditFilter } from "./audit-events.ts";
import type { Queryable } from "./database.ts";

/** The sequence number of an organization's last entry; 0 where there is none. */
export async function auditHead(db: Queryable, organizationId: string): Promise<number> {
  const [head] = await auditHeads(db, [organizationId]);
  return head?.sequence ?? 0;
}

/** The sequence numbers of the last entries of organizations that have any. */
export async function auditHeads(
  db: Queryable,
  organizationIds: string[],
): Promise<{ organizationId: string; sequence: number }[]> {
  return db
    .selectFrom("audit_events")
    .select(({ fn }) => ["organization_id as organizationId", fn.max("sequence").as("sequence")])
    .where("organization_id", "in", organizationIds)
    .groupBy("organization_id")
    .execute();
}

/** The entries after one and up to another, in their order. */
export async function auditEventsAfter(
  db: Queryable,
  organizationId: string,
  filter: Pick<AuditFilter, "principalId" | "action" | "resourceId" | "outcome">,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<AuditEventRow[]> {
  let query = db
    .selectFrom("audit_events")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sequence", ">", after)
    .where("sequence", "<=", upTo)
    .orderBy("sequence")
    .limit(limit);
  if (filter.principalId !== "") query = query.where("principal_id", "=", filter.principalId);
  if (filter.action !== "") query = query.where("action", "=", filter.action);
  if (filter.resourceId !== "") query = query.where("resource_id", "=", filter.resourceId);
  if (filter.outcome !== 0) query = query.where("outcome", "=", filter.outcome);
  return query.execute();
}
