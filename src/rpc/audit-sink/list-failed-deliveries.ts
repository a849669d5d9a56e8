import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { listFailedDeliveries as listRows } from "../../store/audit-sinks.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toFailedDelivery } from "../resources.ts";
import { findSink } from "./find-sink.ts";

export const listFailedDeliveries: Handler<
  typeof AuditSinkService.method.listFailedDeliveries
> = async (app, call, request) => {
  const { organizationId } = call.principal;
  const filters = [call.method.action, request.auditSinkId];
  const page = readPage(request, filters);
  const sink = await findSink(app.db, organizationId, request.auditSinkId);
  const rows = await listRows(app.db, organizationId, sink.id, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { failedDeliveries: kept.map(toFailedDelivery), nextPageToken };
};
