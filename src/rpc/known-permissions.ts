import { permissions as knownPermissions } from "../contract.ts";
import { invalidFields } from "../errors.ts";
import { universeOf } from "../iam/actions.ts";
import type { Transaction } from "../store/database.ts";
import type { Call } from "./call.ts";
import { findSchema } from "./policy/policy-schema.ts";

/**
 * Holds that permissions exist.
 * @param field the request's that names them
 * @throws ServiceError FIELD_INVALID
 */
export function ensureKnown(permissions: readonly string[], field: string): void {
  ensureAmong(permissions, knownPermissions, field);
}

/**
 * Holds that what a key is limited to exists: permissions, and actions of applications.
 * @throws ServiceError FIELD_INVALID
 */
export async function ensureKnownLimit(
  tx: Transaction,
  call: Call,
  limit: readonly string[] | null,
): Promise<void> {
  if (limit === null || limit.every((name) => knownPermissions.has(name))) return;
  const { application } = await findSchema(tx, call.principal.organizationId);
  const declared = universeOf(application).all.filter((name) => name.includes("::"));
  const known = new Set([...knownPermissions, ...declared]);
  ensureAmong(limit, known, "permission_limit.permissions");
}

function ensureAmong(
  permissions: readonly string[],
  known: ReadonlySet<string>,
  field: string,
): void {
  const unknown = permissions.flatMap((permission, i) =>
    known.has(permission) ? [] : [{ field: `${field}[${i}]`, permission }],
  );
  if (unknown.length === 0) return;
  const all = [...known].sort().join(", ");
  throw invalidFields(
    unknown.map(({ field, permission }, i) => ({
      field,
      description: `there is no permission "${permission}"${i === 0 ? `; there are ${all}` : ""}`,
    })),
  );
}
