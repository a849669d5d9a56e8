import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { updateServiceAccount } from "../../store/service-accounts.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";
import { ensureNotDeleted, lock } from "./lock-service-account.ts";

export const disableServiceAccount: Handler<
  typeof ServiceAccountService.method.disableServiceAccount
> = async (app, call, request) => {
  const row = await change(app, call, async (tx) => {
    const current = await lock(tx, call, request);
    ensureNotDeleted(current);
    if (current.disable_time !== null) return current;
    const disabled = await updateServiceAccount(tx, current, { disable_time: new Date() });
    return recordServiceAccount(call, current, disabled);
  });
  return { serviceAccount: toServiceAccount(row) };
};
