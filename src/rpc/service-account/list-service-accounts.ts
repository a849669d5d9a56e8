import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { listServiceAccounts as listRows } from "../../store/service-accounts.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toServiceAccount } from "../resources.ts";

export const listServiceAccounts: Handler<
  typeof ServiceAccountService.method.listServiceAccounts
> = async (app, call, request) => {
  const filters = [call.method.action, request.accountId, request.showDeleted];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, call.principal.organizationId, request, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { serviceAccounts: kept.map(toServiceAccount), nextPageToken };
};
