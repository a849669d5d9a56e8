import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { notFound } from "../../errors.ts";
import { deleteAuditSink as deleteRow } from "../../store/audit-sinks.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordAuditSink } from "../record.ts";

export const deleteAuditSink: Handler<typeof AuditSinkService.method.deleteAuditSink> = async (
  app,
  call,
  { auditSinkId: id },
) => {
  await change(app, call, async (tx) => {
    const removed = await deleteRow(tx, call.principal.organizationId, id);
    if (removed === undefined) throw notFound("audit sink", id);
    recordAuditSink(call, removed, undefined);
  });
  return {};
};
