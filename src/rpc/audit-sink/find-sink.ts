import { notFound } from "../../errors.ts";
import { type AuditSinkRow, findAuditSink } from "../../store/audit-sinks.ts";
import type { Queryable } from "../../store/database.ts";

/** @throws ServiceError RESOURCE_NOT_FOUND */
export async function findSink(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<AuditSinkRow> {
  const row = await findAuditSink(db, organizationId, id);
  if (row === undefined) throw notFound("audit sink", id);
  return row;
}
