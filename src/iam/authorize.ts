import type { Method } from "../contract.ts";
import { permissions as knownPermissions } from "../contract.ts";
import { Code, invalidFields, ServiceError } from "../errors.ts";
import { has } from "./permissions.ts";
import type { Principal } from "./principal.ts";

/** What a call is about. */
export interface Resource {
  /** Such as `ServiceAccount`. */
  type: string;
  /** Empty when it is not there yet, or when it is the organization itself. */
  id: string;
  organizationId: string;
}

/**
 * Whether `principal` may do `action` to `resource`.
 * @throws ServiceError PERMISSION_DENIED, naming the permission that is missing
 */
export function authorize(principal: Principal, action: Method, resource: Resource): void {
  const needed = action.access.permission;
  const sameOrganization = principal.organizationId === resource.organizationId;
  if (sameOrganization && (needed === "" || has(principal.permissions, needed))) return;
  throw new ServiceError(
    Code.permissionDenied,
    "PERMISSION_MISSING",
    `You need the permission ${needed} to call ${action.action}. Ask an administrator of your organization for it.`,
    { metadata: { permission: needed } },
  );
}

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

/**
 * Holds that a caller hands out nothing that it does not have itself.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function authorizeGrant(principal: Principal, granted: readonly string[]): void {
  const excess = granted.filter((permission) => !has(principal.permissions, permission));
  if (excess.length === 0) return;
  throw new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    `You cannot hand out ${excess.join(", ")}, which you do not have yourself. Ask an administrator to do it.`,
    { metadata: { permissions: excess.join(",") } },
  );
}
