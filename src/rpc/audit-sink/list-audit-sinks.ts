import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { listAuditSinks as listRows } from "../../store/audit-sinks.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toAuditSink } from "../resources.ts";

export const listAuditSinks: Handler<typeof AuditSinkService.method.listAuditSinks> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, call.principal.organizationId, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { auditSinks: kept.map(toAuditSink), nextPageToken };
};
