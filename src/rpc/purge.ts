import { newRequestId } from "../ids.ts";
import { purgeServiceAccounts } from "../store/service-accounts.ts";
import type { App } from "./app.ts";

/**
 * Removes service accounts for good whose time to be undeleted is over, and records each.
 * Their keys are refused since the deletion, so nobody's access changes.
 */
export async function purgeDeleted(app: App): Promise<void> {
  await app.db.transaction().execute(async (tx) => {
    for (const { id, organization_id } of await purgeServiceAccounts(tx)) {
      await app.audit.recordChange(tx, {
        organizationId: organization_id,
        principal: undefined,
        action: "PurgeServiceAccount",
        resourceType: "ServiceAccount",
        resourceId: id,
        requestId: newRequestId(),
        address: "",
        userAgent: "",
      });
    }
  });
}
