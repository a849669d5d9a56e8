import { newRequestId } from "../ids.ts";
import { takeUnannouncedExpiries } from "../store/api-keys.ts";
import type { App } from "./app.ts";

/** How long ahead the end of a key is announced. */
const announceDays = 7;

/** Puts keys that are about to expire into the audit log, each once, and again if their end is moved. */
export async function announceExpiries(app: App): Promise<void> {
  await app.db.transaction().execute(async (tx) => {
    for (const { id, organization_id } of await takeUnannouncedExpiries(tx, announceDays)) {
      await app.audit.recordChange(tx, {
        organizationId: organization_id,
        principal: undefined,
        action: "AnnounceApiKeyExpiry",
        resourceType: "ApiKey",
        resourceId: id,
        requestId: newRequestId(),
        address: "",
        userAgent: "",
      });
    }
  });
}
