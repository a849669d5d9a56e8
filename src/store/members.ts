import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import { type JoinedOrganization, organizationColumns } from "./organizations.ts";
import { groupsOf, policiesOf } from "./policies.ts";
import type { ServiceAccountRow } from "./service-accounts.ts";
import type { UserRow } from "./users.ts";

/** What says what somebody may do. */
export interface AccessColumns {
  permissions: string[];
  /** See policiesOf. */
  policies: string | null;
  /** See groupsOf. */
  groups: string | null;
  access_epoch: number;
}

/** A user with all that says what it may do. */
export interface UserMemberRow extends UserRow, JoinedOrganization, AccessColumns {
  permissions: string[];
}

/** A service account with all that says what it may do. */
export interface ServiceAccountMemberRow
  extends ServiceAccountRow,
    JoinedOrganization,
    AccessColumns {
  permissions: string[];
}

/** What `findSessionUser` and its like select of a user's access; `users` and `organizations` are joined. */
export const userAccess = [
  policiesOf(sql.ref("users.organization_id"), sql.ref("users.id"), [
    sql.ref("users.organization_id"),
  ]).as("policies"),
  groupsOf(sql.ref("users.organization_id"), sql.ref("users.id")).as("groups"),
] as const;

/** The same of a service account; `service_accounts` is joined. */
export const serviceAccountAccess = [
  policiesOf(sql.ref("service_accounts.organization_id"), sql.ref("service_accounts.id"), [
    sql.ref("service_accounts.account_id"),
    sql.ref("service_accounts.organization_id"),
  ]).as("policies"),
  groupsOf(sql.ref("service_accounts.organization_id"), sql.ref("service_accounts.id")).as(
    "groups",
  ),
] as const;

export async function findUserMember(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<UserMemberRow | undefined> {
  return userMembers(db, organizationId).where("users.id", "=", id).executeTakeFirst();
}

/** Users who can log in, in order of identifier, those after `after`. */
export async function listActiveUserMembers(
  db: Queryable,
  organizationId: string,
  page: { after: string; limit: number },
): Promise<UserMemberRow[]> {
  return userMembers(db, organizationId)
    .where("users.disable_time", "is", null)
    .where("users.password_hash", "is not", null)
    .where("users.id", ">", page.after)
    .orderBy("users.id")
    .limit(page.limit)
    .execute();
}

function userMembers(db: Queryable, organizationId: string) {
  return db
    .selectFrom("users")
    .selectAll("users")
    .innerJoin("organizations", "organizations.id", "users.organization_id")
    .select(organizationColumns)
    .select("organizations.access_epoch")
    .select(userAccess)
    .where("users.organization_id", "=", organizationId);
}

export async function findServiceAccountMember(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<ServiceAccountMemberRow | undefined> {
  return db
    .selectFrom("service_accounts")
    .selectAll("service_accounts")
    .innerJoin("organizations", "organizations.id", "service_accounts.organization_id")
    .select(organizationColumns)
    .select("organizations.access_epoch")
    .select(serviceAccountAccess)
    .where("service_accounts.organization_id", "=", organizationId)
    .where("service_accounts.id", "=", id)
    .executeTakeFirst();
}

/** The policies that are attached to what is no principal itself: see policiesOf. */
export async function findPoliciesOf(
  db: Queryable,
  organizationId: string,
  targetIds: string[],
): Promise<string | null> {
  const [first, ...others] = targetIds.map((id) => sql.val(id));
  if (first === undefined) return null;
  const { rows } = await sql<{ policies: string | null }>`
    select ${policiesOf(sql.val(organizationId), first, others)} as policies`.execute(db);
  return rows[0]?.policies ?? null;
}
