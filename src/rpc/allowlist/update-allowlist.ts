import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { countAllowlistEntries, findReportOnly, setReportOnly } from "../../store/allowlists.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordAllowlist } from "../record.ts";
import { ensureNotLockedOut } from "./locked-out.ts";
import { resourcePath, toLevel } from "./resource.ts";

export const updateAllowlist: Handler<typeof AllowlistService.method.updateAllowlist> = async (
  app,
  call,
  { resourceId, reportOnly, force },
) => {
  const { organizationId } = call.principal;
  const entryCount = await change(app, call, async (tx) => {
    await resourcePath(tx, organizationId, resourceId);
    const before = await findReportOnly(tx, organizationId, resourceId);
    await setReportOnly(tx, organizationId, resourceId, reportOnly);
    recordAllowlist(call, { resourceId, reportOnly: before }, { resourceId, reportOnly });
    if (!force) await ensureNotLockedOut(app, tx, call);
    return countAllowlistEntries(tx, organizationId, resourceId);
  });
  return { allowlist: { resourceId, level: toLevel(resourceId), reportOnly, entryCount } };
};
