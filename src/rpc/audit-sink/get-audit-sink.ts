import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import type { Handler } from "../handler.ts";
import { toAuditSink } from "../resources.ts";
import { findSink } from "./find-sink.ts";

export const getAuditSink: Handler<typeof AuditSinkService.method.getAuditSink> = async (
  app,
  call,
  { auditSinkId },
) => {
  const row = await findSink(app.db, call.principal.organizationId, auditSinkId);
  return { auditSink: toAuditSink(row) };
};
