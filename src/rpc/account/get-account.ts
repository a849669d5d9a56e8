import type { AccountService } from "../../../gen/pdaas/v1/account_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findAccount } from "../../store/accounts.ts";
import type { Handler } from "../handler.ts";
import { toAccount } from "../resources.ts";

export const getAccount: Handler<typeof AccountService.method.getAccount> = async (
  app,
  call,
  request,
) => {
  const row = await findAccount(app.db, call.principal.organizationId, request.accountId);
  if (row === undefined) throw notFound("account", request.accountId);
  return { account: toAccount(row) };
};
