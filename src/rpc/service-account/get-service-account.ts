import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findServiceAccount } from "../../store/service-accounts.ts";
import type { Handler } from "../handler.ts";
import { toServiceAccount } from "../resources.ts";

export const getServiceAccount: Handler<
  typeof ServiceAccountService.method.getServiceAccount
> = async (app, call, request) => {
  const id = request.serviceAccountId;
  const row = await findServiceAccount(app.db, call.principal.organizationId, id);
  if (row === undefined) throw notFound("service account", id);
  return { serviceAccount: toServiceAccount(row) };
};
