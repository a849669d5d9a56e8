import type {
  ServiceAccountService,
  UpdateServiceAccountRequest,
} from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { Code, invalidFields, ServiceError } from "../../errors.ts";
import { authorizeGrant } from "../../iam/authorize.ts";
import { updateServiceAccount as updateRow } from "../../store/service-accounts.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toServiceAccount } from "../resources.ts";
import { ensureNotDeleted, lock } from "./lock-service-account.ts";

export const updateServiceAccount: Handler<
  typeof ServiceAccountService.method.updateServiceAccount
> = async (app, call, request) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    if (changes.permissions !== undefined) authorizeGrant(call.principal, changes.permissions);
    const current = await lock(tx, call, request);
    ensureNotDeleted(current);
    return updateRow(tx, current, changes);
  });
  return { serviceAccount: toServiceAccount(row) };
};

interface Changes {
  name?: string;
  description?: string;
  permissions?: string[];
}

/** The fields that the mask names. A mask that asks for anything else is refused whole. */
function changesOf(request: UpdateServiceAccountRequest): Changes {
  const paths = request.updateMask?.paths ?? [];
  const unknown = paths.filter((path) => !["name", "description", "permissions"].includes(path));
  if (paths.length === 0 || unknown.length > 0) throw badMask(unknown);
  const changes: Changes = {};
  if (paths.includes("name")) changes.name = request.name;
  if (paths.includes("description")) changes.description = request.description;
  if (paths.includes("permissions")) changes.permissions = [...request.permissions].sort();
  if (changes.name === "") {
    throw invalidFields([{ field: "name", description: "must have 1 to 100 characters" }]);
  }
  return changes;
}

function badMask(unknown: string[]): ServiceError {
  const what = unknown.length === 0 ? "is empty" : `names ${unknown.join(", ")}`;
  return new ServiceError(
    Code.invalidArgument,
    "FIELD_MASK_INVALID",
    `The update mask ${what}. It must name one or more of name, description and permissions.`,
  );
}
