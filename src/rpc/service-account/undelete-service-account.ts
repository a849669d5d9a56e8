import type { ServiceAccountService } from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { Code, ServiceError } from "../../errors.ts";
import { updateServiceAccount } from "../../store/service-accounts.ts";
import { ensureWithin, ownerEmpowered, ownLimits } from "../api-key/own-limits.ts";
import { change } from "../change.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";
import { lock } from "./lock-service-account.ts";

export const undeleteServiceAccount: Handler<
  typeof ServiceAccountService.method.undeleteServiceAccount
> = async (app, call, request) => {
  const row = await change(app, call, async (tx) => {
    const current = await lock(tx, call, request);
    // To give its keys their power back is to hand out what it has.
    await ensureMayEmpower(tx, call, { memberId: current.id });
    const own = await ownLimits(tx, call);
    ensureWithin(own, ownerEmpowered(own, current));
    if (current.delete_time === null) throw notDeleted();
    const undeleted = await updateServiceAccount(tx, current, { delete_time: null });
    return recordServiceAccount(call, current, undeleted);
  });
  return { serviceAccount: toServiceAccount(row) };
};

function notDeleted(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "RESOURCE_NOT_DELETED",
    "The service account is not deleted, so there is nothing to bring back.",
  );
}
