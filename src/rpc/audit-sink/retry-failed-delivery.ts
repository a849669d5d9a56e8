import type { AuditSinkService } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { notFound } from "../../errors.ts";
import { requestRetry } from "../../store/audit-sinks.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toFailedDelivery } from "../resources.ts";

export const retryFailedDelivery: Handler<
  typeof AuditSinkService.method.retryFailedDelivery
> = async (app, call, { failedDeliveryId: id }) => {
  const row = await change(app, call, async (tx) => {
    const requested = await requestRetry(tx, call.principal.organizationId, id);
    if (requested === undefined) throw notFound("failed delivery", id);
    return requested;
  });
  return { failedDelivery: toFailedDelivery(row) };
};
