import { timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  AuditService,
  ListAuditEventsRequest,
} from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { type AuditFilter, listAuditEvents as listRows } from "../../store/audit-events.ts";
import type { Handler } from "../handler.ts";
import { readPage, sequenceOf, toPage } from "../paging.ts";
import { toAuditEvent } from "./to-audit-event.ts";

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

function toFilter({ startTime, endTime, ...filter }: ListAuditEventsRequest): AuditFilter {
  return {
    ...filter,
    startTime: startTime && timestampDate(startTime),
    endTime: endTime && timestampDate(endTime),
  };
}

function filterParts(request: ListAuditEventsRequest): unknown[] {
  const { startTime, endTime, principalId, action, resourceId, outcome } = request;
  const { accountId, address, requestId } = request;
  const times = [startTime, endTime].map((time) => time && timestampMs(time));
  return [...times, principalId, action, resourceId, outcome, accountId, address, requestId];
}
