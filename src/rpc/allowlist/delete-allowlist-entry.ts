import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { notFound } from "../../errors.ts";
import { deleteAllowlistEntry as deleteRow } from "../../store/allowlists.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { ensureNotLockedOut } from "./locked-out.ts";

export const deleteAllowlistEntry: Handler<
  typeof AllowlistService.method.deleteAllowlistEntry
> = async (app, call, { allowlistEntryId: id, force }) => {
  await change(app, call, async (tx) => {
    const wasThere = await deleteRow(tx, call.principal.organizationId, id);
    if (!wasThere) throw notFound("allowlist entry", id);
    if (!force) await ensureNotLockedOut(app, tx, call);
  });
  return {};
};
