import type { Transaction } from "../store/database.ts";
import { findServiceAccount } from "../store/service-accounts.ts";
import { ensureWithin, othersEmpowered, ownerEmpowered, ownLimits } from "./api-key/own-limits.ts";
import type { Call } from "./call.ts";

/**
 * Holds that a key gives no power to what outlives it, may call oftener or from elsewhere: see
 * ensureWithin.
 * @param targetId what is given power: a service account, or whatever else has no key of its own
 * @throws ServiceError PERMISSION_ESCALATION
 */
export async function ensureMayEmpowerOthers(
  tx: Transaction,
  call: Call,
  targetId = "",
): Promise<void> {
  const { organizationId } = call.principal;
  const own = await ownLimits(tx, call);
  const owner = targetId.startsWith("svc_")
    ? await findServiceAccount(tx, organizationId, targetId)
    : undefined;
  ensureWithin(own, owner ? ownerEmpowered(own, owner) : othersEmpowered(own, organizationId));
}
