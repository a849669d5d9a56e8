import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { notFound } from "../../errors.ts";
import { deleteAllowlistEntry as deleteRow } from "../../store/allowlists.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordAllowlistEntry } from "../record.ts";
import { ensureNotLockedOut } from "./locked-out.ts";

export const deleteAllowlistEntry: Handler<
  typeof AllowlistService.method.deleteAllowlistEntry
> = async (app, call, { allowlistEntryId: id, force }) => {
  await change(app, call, async (tx) => {
    const removed = await deleteRow(tx, call.principal.organizationId, id);
    if (removed === undefined) throw notFound("allowlist entry", id);
    recordAllowlistEntry(call, removed, undefined);
    if (!force) await ensureNotLockedOut(app, tx, call);
  });
  return {};
};
