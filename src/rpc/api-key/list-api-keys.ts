import { timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
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
  const { serviceAccountId, expireBefore } = request;
  const filters = [call.method.action, serviceAccountId, expireBefore && timestampMs(expireBefore)];
  const page = readPage(request, filters);
  if (serviceAccountId !== "") {
    const owner = await findServiceAccount(app.db, organizationId, serviceAccountId);
    if (owner === undefined) throw notFound("service account", serviceAccountId);
  }
  const filter = { serviceAccountId, expireBefore: expireBefore && timestampDate(expireBefore) };
  const rows = await listRows(app.db, organizationId, filter, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { apiKeys: kept.map(toApiKey), nextPageToken };
};
