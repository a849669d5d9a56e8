import type {
  AuditSinkService,
  UpdateAuditSinkRequest,
} from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { notFound } from "../../errors.ts";
import { updateAuditSink as updateRow } from "../../store/audit-sinks.ts";
import type { App } from "../app.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import type { Handler } from "../handler.ts";
import { recordAuditSink } from "../record.ts";
import { toAuditSink } from "../resources.ts";
import { findSink } from "./find-sink.ts";
import { readSinkUrl } from "./sink-url.ts";

export const updateAuditSink: Handler<typeof AuditSinkService.method.updateAuditSink> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const changes = await changesOf(app, request);
  const row = await change(app, call, async (tx) => {
    const before = await findSink(tx, organizationId, request.auditSinkId);
    const changed = await updateRow(tx, organizationId, before.id, changes);
    if (changed === undefined) throw notFound("audit sink", before.id);
    return recordAuditSink(call, before, changed);
  });
  return { auditSink: toAuditSink(row) };
};

async function changesOf({ isProduction }: App, request: UpdateAuditSinkRequest) {
  const { updateMask, enabled, outcomes, actions } = request;
  const fields = maskedFields(updateMask, ["url", "enabled", "outcomes", "actions"]);
  return {
    ...(fields.has("url") && { url: await readSinkUrl(request.url, isProduction) }),
    ...(fields.has("enabled") && { enabled }),
    ...(fields.has("outcomes") && { outcomes }),
    ...(fields.has("actions") && { actions }),
  };
}
