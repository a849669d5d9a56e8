import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  AuditEventSchema,
  AuditOutcome,
  AuditService,
  ListAuditEventsRequest,
} from "../../../gen/pdaas/v1/audit_service_pb.ts";
import type { PrincipalType } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import {
  type AuditEventRow,
  type AuditFilter,
  listAuditEvents as listRows,
} from "../../store/audit-events.ts";
import type { Handler } from "../handler.ts";
import { readPage, sequenceOf, toPage } from "../paging.ts";

export const listAuditEvents: Handler<typeof AuditService.method.listAuditEvents> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action, ...filterParts(request)];
  const page = readPage(request, filters);
  const before = page.after === "" ? Number.MAX_SAFE_INTEGER : sequenceOf(page.after);
  const rows = await listRows(app.db, call.principal.organizationId, toFilter(request), {
    before,
    limit: page.limit,
  });
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => String(row.sequence));
  return { auditEvents: kept.map(toAuditEvent), nextPageToken };
};

function toFilter(request: ListAuditEventsRequest): AuditFilter {
  return {
    startTime: request.startTime && timestampDate(request.startTime),
    endTime: request.endTime && timestampDate(request.endTime),
    principalId: request.principalId,
    action: request.action,
    resourceId: request.resourceId,
    outcome: request.outcome,
  };
}

function filterParts(request: ListAuditEventsRequest): unknown[] {
  const { startTime, endTime, principalId, action, resourceId, outcome } = request;
  const times = [startTime, endTime].map((time) => time && timestampMs(time));
  return [...times, principalId, action, resourceId, outcome];
}

export function toAuditEvent(row: AuditEventRow): MessageInitShape<typeof AuditEventSchema> {
  return {
    id: row.id,
    time: timestampFromDate(row.time),
    principalType: row.principal_type as PrincipalType,
    principalId: row.principal_id,
    apiKeyId: row.api_key_id,
    sessionId: row.session_id,
    action: row.action,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    outcome: row.outcome as AuditOutcome,
    reason: row.reason,
    requestId: row.request_id,
    address: row.address,
    userAgent: row.user_agent,
    parentId: row.parent_id,
  };
}
