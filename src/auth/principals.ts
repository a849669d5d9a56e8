import { type Principal, PrincipalType } from "../iam/principal.ts";
import type { ServiceAccountMemberRow, UserMemberRow } from "../store/members.ts";
import { organizationOf } from "../store/organizations.ts";
import { policySlice, readGroups } from "./policy-slices.ts";

/** A user as a caller. @param sessionId empty where there is none */
export function userPrincipal(user: UserMemberRow, sessionId: string): Principal {
  return {
    type: PrincipalType.USER,
    id: user.id,
    organizationId: user.organization_id,
    organization: organizationOf(user),
    accountId: "",
    name: user.name,
    email: user.email,
    apiKeyId: "",
    sessionId,
    groups: readGroups(user.groups),
    policies: policySlice(user.permissions, user.policies),
    permissionLimit: null,
    epoch: user.access_epoch,
  };
}

/** A service account as a caller. @param key the key that signs, if one does */
export function serviceAccountPrincipal(
  row: ServiceAccountMemberRow,
  key?: { id: string; permission_limit: string[] | null },
): Principal {
  return {
    type: PrincipalType.SERVICE_ACCOUNT,
    id: row.id,
    organizationId: row.organization_id,
    organization: organizationOf(row),
    accountId: row.account_id,
    name: row.name,
    email: "",
    apiKeyId: key?.id ?? "",
    sessionId: "",
    groups: readGroups(row.groups),
    policies: policySlice(row.permissions, row.policies),
    permissionLimit: key?.permission_limit ? new Set(key.permission_limit) : null,
    epoch: row.access_epoch,
  };
}
