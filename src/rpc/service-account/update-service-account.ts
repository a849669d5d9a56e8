import type {
  ServiceAccountService,
  UpdateServiceAccountRequest,
} from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { invalidFields } from "../../errors.ts";
import { updateServiceAccount as updateRow } from "../../store/service-accounts.ts";
import {
  ensureWithin,
  ownerEmpowered,
  ownLimits,
  rateForServiceAccount,
} from "../api-key/own-limits.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import { ensureMayGive } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { ensureKnown } from "../known-permissions.ts";
import { ensureRateWithin, type RateColumns, rateColumns } from "../rate-limit.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";
import { ensureNotDeleted, lock } from "./lock-service-account.ts";

export const updateServiceAccount: Handler<
  typeof ServiceAccountService.method.updateServiceAccount
> = async (app, call, request) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    const own = await ownLimits(tx, call);
    if (changes.permissions !== undefined) {
      ensureKnown(changes.permissions, "permissions");
    }
    if ("rate_per_second" in changes) ensureRateWithin(rateForServiceAccount(own), changes);
    const current = await lock(tx, call, request);
    if (changes.permissions !== undefined) {
      const { organization_id, account_id, id, permissions: before } = current;
      await ensureMayGive(tx, call, changes.permissions, [organization_id, account_id, id]);
      const isWider = changes.permissions.some((name) => !before.includes(name));
      if (isWider && !before.includes("*")) ensureWithin(own, ownerEmpowered(own, current));
    }
    ensureNotDeleted(current);
    return recordServiceAccount(call, current, await updateRow(tx, current, changes));
  });
  return { serviceAccount: toServiceAccount(row) };
};

interface Changes extends Partial<RateColumns> {
  name?: string;
  description?: string;
  permissions?: string[];
}

const updatable = ["name", "description", "permissions", "rate_limit"] as const;

function changesOf(request: UpdateServiceAccountRequest): Changes {
  const fields = maskedFields(request.updateMask, updatable);
  const changes: Changes = {};
  if (fields.has("name")) changes.name = request.name;
  if (fields.has("description")) changes.description = request.description;
  if (fields.has("permissions")) changes.permissions = [...request.permissions].sort();
  if (fields.has("rate_limit")) Object.assign(changes, rateColumns(request.rateLimit));
  if (changes.name === "") {
    throw invalidFields([{ field: "name", description: "must have 1 to 100 characters" }]);
  }
  return changes;
}
