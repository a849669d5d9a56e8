import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { listAllowlistEntries as listRows } from "../../store/allowlists.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toAllowlistEntry } from "../resources.ts";
import { resourcePath } from "./resource.ts";

export const listAllowlistEntries: Handler<
  typeof AllowlistService.method.listAllowlistEntries
> = async (app, call, request) => {
  const { organizationId } = call.principal;
  const filters = [call.method.action, request.resourceId];
  const page = readPage(request, filters);
  await resourcePath(app.db, organizationId, request.resourceId);
  const rows = await listRows(app.db, organizationId, request.resourceId, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { allowlistEntries: kept.map(toAllowlistEntry), nextPageToken };
};
