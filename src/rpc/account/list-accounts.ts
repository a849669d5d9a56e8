import type { AccountService } from "../../../gen/pdaas/v1/account_service_pb.ts";
import { listAccounts as listRows } from "../../store/accounts.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toAccount } from "../resources.ts";

export const listAccounts: Handler<typeof AccountService.method.listAccounts> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, call.principal.organizationId, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { accounts: kept.map(toAccount), nextPageToken };
};
