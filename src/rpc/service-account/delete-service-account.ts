import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { updateServiceAccount } from "../../store/service-accounts.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";
import { ensureNotDeleted, lock } from "./lock-service-account.ts";

export const deleteServiceAccount: Handler<
  typeof ServiceAccountService.method.deleteServiceAccount
> = async (app, call, request) => {
  const row = await change(app, call, async (tx) => {
    const current = await lock(tx, call, request);
    ensureNotDeleted(current);
    const deleted = await updateServiceAccount(tx, current, { delete_time: new Date() });
    return recordServiceAccount(call, current, deleted);
  });
  return { serviceAccount: toServiceAccount(row) };
};
