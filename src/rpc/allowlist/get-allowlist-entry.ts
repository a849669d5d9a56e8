import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findAllowlistEntry } from "../../store/allowlists.ts";
import type { Handler } from "../handler.ts";
import { toAllowlistEntry } from "../resources.ts";

export const getAllowlistEntry: Handler<typeof AllowlistService.method.getAllowlistEntry> = async (
  app,
  call,
  request,
) => {
  const id = request.allowlistEntryId;
  const row = await findAllowlistEntry(app.db, call.principal.organizationId, id);
  if (row === undefined) throw notFound("allowlist entry", id);
  return { allowlistEntry: toAllowlistEntry(row) };
};
