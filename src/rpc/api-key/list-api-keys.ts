import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { notFound } from "../../errors.ts";
import { listApiKeys as listRows } from "../../store/api-keys.ts";
import { findServiceAccount } from "../../store/service-accounts.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toApiKey } from "../resources.ts";

export const listApiKeys: Handler<typeof ApiKeyService.method.listApiKeys> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const filters = [call.method.action, request.serviceAccountId];
  const page = readPage(request, filters);
  const owner = await findServiceAccount(app.db, organizationId, request.serviceAccountId);
  if (owner === undefined) throw notFound("service account", request.serviceAccountId);
  const rows = await listRows(app.db, organizationId, owner.id, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { apiKeys: kept.map(toApiKey), nextPageToken };
};
