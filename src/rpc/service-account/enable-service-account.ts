import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { updateServiceAccount } from "../../store/service-accounts.ts";
import { ensureWithin, ownerEmpowered, ownLimits } from "../api-key/own-limits.ts";
import { change } from "../change.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";
import { ensureNotDeleted, lock } from "./lock-service-account.ts";

export const enableServiceAccount: Handler<
  typeof ServiceAccountService.method.enableServiceAccount
> = async (app, call, request) => {
  const row = await change(app, call, async (tx) => {
    const current = await lock(tx, call, request);
    // To give its keys their power back is to hand out what it has.
    await ensureMayEmpower(tx, call, { memberId: current.id });
    const own = await ownLimits(tx, call);
    ensureWithin(own, ownerEmpowered(own, current));
    ensureNotDeleted(current);
    if (current.disable_time === null) return current;
    const enabled = await updateServiceAccount(tx, current, { disable_time: null });
    return recordServiceAccount(call, current, enabled);
  });
  return { serviceAccount: toServiceAccount(row) };
};
