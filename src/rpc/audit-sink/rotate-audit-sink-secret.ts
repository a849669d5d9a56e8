import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { notFound } from "../../errors.ts";
import { updateAuditSink } from "../../store/audit-sinks.ts";
import { findOrganization } from "../../store/organizations.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toAuditSink } from "../resources.ts";
import { findSink } from "./find-sink.ts";
import { makeSinkSecret } from "./sink-secret.ts";

export const rotateAuditSinkSecret: Handler<
  typeof AuditSinkService.method.rotateAuditSinkSecret
> = async (app, call, { auditSinkId: id }) => {
  const { organizationId } = call.principal;
  const { row, secretKey } = await change(app, call, async (tx) => {
    const organization = await findOrganization(tx, organizationId);
    if (organization === undefined) throw notFound("organization", organizationId);
    const before = await findSink(tx, organizationId, id);
    const made = makeSinkSecret(app, organization, id, before.secret_version + 1);
    const row = await updateAuditSink(tx, organizationId, id, made.columns);
    if (row === undefined) throw notFound("audit sink", id);
    return { row, secretKey: made.secretKey };
  });
  return { auditSink: toAuditSink(row), secretKey };
};
