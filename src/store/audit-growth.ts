import type { Database } from "./database.ts";

/** How many leaves the instance's tree has: one more each time that an organization's log has grown. */
export async function auditLogSize(db: Database): Promise<number> {
  const row = await db.selectFrom("audit_log").select("size").executeTakeFirstOrThrow();
  return row.size;
}

/** The logs that have grown since the instance's tree had a size, and how far they have come. */
export async function listGrownLogs(
  db: Database,
  since: number,
): Promise<{ organizationId: string; sequence: number }[]> {
  return db
    .selectFrom("audit_trees")
    .select(["organization_id as organizationId", "size as sequence"])
    .where("leaf_index", ">=", since)
    .execute();
}
