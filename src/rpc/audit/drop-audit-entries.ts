import { newRequestId } from "../../ids.ts";
import { monthOf } from "../../store/audit-partitions.ts";
import {
  type AuditDrop,
  deleteDroppedEntries,
  dropAuditPartition,
  findAuditDrop,
  lastAuditEntryBefore,
  listAuditPartitionsBefore,
  listAuditRetentions,
  saveAuditDrop,
} from "../../store/audit-retention.ts";
import type { App } from "../app.ts";

const dayMs = 86_400_000;
/** No organization keeps its log for less. */
const leastDays = 30;

/**
 * Drops what organizations do not keep any longer: whole months, and always the first entries of a log, so
 * that what is left has no gaps. The trees keep the hashes of all entries, so every proof holds as before.
 */
export async function dropAuditEntries(app: App, now = new Date()): Promise<void> {
  for (const { organizationId, days } of await listAuditRetentions(app.db)) {
    await dropOf(app, organizationId, startOfMonth(now, days));
  }
  const month = monthOf(startOfMonth(now, leastDays));
  for (const each of await listAuditPartitionsBefore(app.db, month)) {
    await dropAuditPartition(app.db, each);
  }
  await deleteDroppedEntries(app.db);
}

/** The start of the month that it was so many days ago. */
function startOfMonth(now: Date, days: number): Date {
  return new Date(`${monthOf(new Date(now.getTime() - days * dayMs))}-01T00:00:00Z`);
}

/** From here on the entries are gone, whenever their rows are. */
async function dropOf(app: App, organizationId: string, droppedBefore: Date): Promise<void> {
  await app.db.transaction().execute(async (tx) => {
    const known = await findAuditDrop(tx, organizationId);
    const droppedTo = await lastAuditEntryBefore(tx, organizationId, droppedBefore);
    if (droppedTo <= (known?.droppedTo ?? 0)) return;
    if (!(await saveAuditDrop(tx, organizationId, { droppedTo, droppedBefore }))) return;
    await app.audit.recordChange(tx, {
      organizationId,
      principal: undefined,
      action: "DropAuditEntries",
      resourceType: "Organization",
      resourceId: organizationId,
      requestId: newRequestId(),
      address: "",
      userAgent: "",
      changes: changesOf(known, { droppedTo, droppedBefore }),
    });
  });
}

function changesOf(before: AuditDrop | undefined, after: AuditDrop) {
  return [
    {
      field: "audit_dropped_to",
      before: JSON.stringify(String(before?.droppedTo ?? 0)),
      after: JSON.stringify(String(after.droppedTo)),
      isPersonal: false,
    },
    {
      field: "audit_dropped_before",
      before: before === undefined ? "" : JSON.stringify(before.droppedBefore),
      after: JSON.stringify(after.droppedBefore),
      isPersonal: false,
    },
  ];
}
