import type { AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import type { Handler } from "../handler.ts";
import { readTree } from "./tree-head.ts";

export const getCheckpoint: Handler<typeof AuditService.method.getCheckpoint> = async (
  app,
  call,
) => {
  const { head } = await readTree(app.db, call.principal.organizationId);
  return { head, verifierKey: app.checkpointVerifierKey };
};
