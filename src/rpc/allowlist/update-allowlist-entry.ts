import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findAllowlistEntry, updateAllowlistEntry as updateRow } from "../../store/allowlists.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import type { Handler } from "../handler.ts";
import { recordAllowlistEntry } from "../record.ts";
import { toAllowlistEntry } from "../resources.ts";
import { entryExpiry } from "./expiry.ts";
import { ensureNotLockedOut } from "./locked-out.ts";

export const updateAllowlistEntry: Handler<
  typeof AllowlistService.method.updateAllowlistEntry
> = async (app, call, request) => {
  const { allowlistEntryId: id, description, expireTime, force } = request;
  const fields = maskedFields(request.updateMask, ["description", "expire_time"]);
  const changes = {
    ...(fields.has("description") && { description }),
    ...(fields.has("expire_time") && { expire_time: entryExpiry(expireTime) }),
  };
  const row = await change(app, call, async (tx) => {
    const { organizationId } = call.principal;
    const before = await findAllowlistEntry(tx, organizationId, id);
    const changed = await updateRow(tx, organizationId, id, changes);
    if (changed === undefined) throw notFound("allowlist entry", id);
    if (!force) await ensureNotLockedOut(app, tx, call);
    return recordAllowlistEntry(call, before, changed);
  });
  return { allowlistEntry: toAllowlistEntry(row) };
};
