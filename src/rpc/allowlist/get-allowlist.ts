import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { countAllowlistEntries, findReportOnly } from "../../store/allowlists.ts";
import type { Handler } from "../handler.ts";
import { resourcePath, toLevel } from "./resource.ts";

export const getAllowlist: Handler<typeof AllowlistService.method.getAllowlist> = async (
  app,
  call,
  { resourceId },
) => {
  const { organizationId } = call.principal;
  await resourcePath(app.db, organizationId, resourceId);
  return {
    allowlist: {
      resourceId,
      level: toLevel(resourceId),
      reportOnly: await findReportOnly(app.db, organizationId, resourceId),
      entryCount: await countAllowlistEntries(app.db, organizationId, resourceId),
    },
  };
};
