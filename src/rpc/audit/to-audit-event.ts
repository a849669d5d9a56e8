import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type AuditEntry, AuditEntrySchema } from "../../../gen/pdaas/v1/audit_entry_pb.ts";
import type { AuditEventSchema } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import type { AuditEventRow } from "../../store/audit-events.ts";
import type { PersonalValues } from "../../store/schema.ts";

/** What an entry says, and what it commits to and is not erased. */
export function toAuditEvent(row: AuditEventRow): MessageInitShape<typeof AuditEventSchema> {
  const entry = fromBinary(AuditEntrySchema, row.entry);
  const { personal } = row;
  return {
    id: entry.id,
    sequence: BigInt(row.sequence),
    time: timestampFromDate(row.time),
    principalType: entry.principalType,
    principalId: entry.principalId,
    apiKeyId: entry.apiKeyId,
    sessionId: entry.sessionId,
    action: entry.action,
    resourceType: entry.resourceType,
    resourceId: entry.resourceId,
    parentId: entry.parentId,
    accountId: entry.accountId,
    outcome: entry.outcome,
    reason: entry.reason,
    requestId: entry.requestId,
    traceId: entry.traceId,
    address: personal.address?.value ?? "",
    userAgent: personal.user_agent?.value ?? "",
    changes: changesOf(entry, personal),
    policyIds: entry.policyIds,
    count: entry.count,
    ...(entry.lastTime && { lastTime: entry.lastTime }),
  };
}

function changesOf({ changes }: AuditEntry, personal: PersonalValues) {
  return changes.map(({ field, before, after }) => ({
    field,
    before: before || (personal[`before.${field}`]?.value ?? ""),
    after: after || (personal[`after.${field}`]?.value ?? ""),
  }));
}
