import { sql } from "kysely";
import { type AuditEventRow, type AuditFilter, filteredColumns } from "./audit-events.ts";
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
    .selectFrom("audit_trees")
    .select(["organization_id as organizationId", "size as sequence"])
    .where("organization_id", "=", sql<string>`any(${organizationIds}::text[])`)
    .execute();
}

/**
 * The entries after one and up to another, in their order.
 * @param filter what is absent or empty does not filter
 */
export async function auditEntriesAfter(
  db: Queryable,
  organizationId: string,
  filter: Partial<AuditFilter>,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<AuditEventRow[]> {
  let query = db
    .selectFrom("audit_entries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sequence", ">", after)
    .where("sequence", "<=", upTo)
    .orderBy("sequence")
    .limit(limit);
  if (filter.startTime !== undefined) query = query.where("time", ">=", filter.startTime);
  if (filter.endTime !== undefined) query = query.where("time", "<", filter.endTime);
  if (filter.outcome) query = query.where("outcome", "=", filter.outcome);
  for (const [column, name] of filteredColumns) {
    if (filter[name]) query = query.where(column, "=", filter[name]);
  }
  return query.execute();
}

/**
 * Entries whose numbers the organization's tree does not have: only somebody other than the service can
 * have written them, since it commits a number together with the tree's size.
 * @param size that the tree had a moment ago; it may have grown
 */
export async function strayAuditEntries(
  db: Queryable,
  organizationId: string,
  size: number,
  limit: number,
): Promise<AuditEventRow[]> {
  const entries = db
    .selectFrom("audit_entries")
    .selectAll("audit_entries")
    .where("audit_entries.organization_id", "=", organizationId)
    .orderBy("sequence")
    .limit(limit);
  const before = entries.where("sequence", "<", 1);
  const behind = entries
    .innerJoin("audit_trees", "audit_trees.organization_id", "audit_entries.organization_id")
    .where("sequence", ">", size)
    .whereRef("sequence", ">", "audit_trees.size");
  return [...(await before.execute()), ...(await behind.execute())];
}
