import { permissions as knownPermissions } from "../contract.ts";
import { invalidFields } from "../errors.ts";

/**
 * Holds that permissions exist.
 * @param field the request's that names them
 * @throws ServiceError FIELD_INVALID
 */
export function ensureKnown(permissions: readonly string[], field: string): void {
  const unknown = permissions.flatMap((permission, i) =>
    knownPermissions.has(permission) ? [] : [{ field: `${field}[${i}]`, permission }],
  );
  if (unknown.length === 0) return;
  const known = [...knownPermissions].sort().join(", ");
  throw invalidFields(
    unknown.map(({ field, permission }, i) => ({
      field,
      description: `there is no permission "${permission}"${i === 0 ? `; there are ${known}` : ""}`,
    })),
  );
}
