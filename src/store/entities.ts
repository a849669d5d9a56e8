import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import { groupsOf } from "./policies.ts";

/** What is stored of something that policies may look at. Everything is in its organization. */
export interface StoredEntity {
  type: string;
  id: string;
  /** What it is in, without the organization. */
  parents: { type: string; id: string }[];
  tags: Record<string, string>;
}

/**
 * Finds something of an organization, and all that it is in.
 * @returns it first; nothing when it is not there
 */
export async function findEntities(
  db: Queryable,
  organizationId: string,
  { type, id }: { type: string; id: string },
): Promise<StoredEntity[]> {
  switch (type) {
    case "User":
      return findUserEntity(db, organizationId, id);
    case "ServiceAccount":
      return findServiceAccountEntities(db, organizationId, id);
    case "ApiKey":
      return findApiKeyEntities(db, organizationId, id);
    case "AllowlistEntry":
      return findAllowlistEntryEntities(db, organizationId, id);
    default:
      // Accounts, groups and policies have nothing that a policy could look at.
      return [];
  }
}

async function findUserEntity(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<StoredEntity[]> {
  const row = await db
    .selectFrom("users")
    .select(groupsOf(sql.ref("organization_id"), sql.ref("id")).as("groups"))
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined ? [] : [{ type: "User", id, parents: groupsIn(row.groups), tags: {} }];
}

async function findServiceAccountEntities(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<StoredEntity[]> {
  const row = await db
    .selectFrom("service_accounts")
    .select(["account_id", groupsOf(sql.ref("organization_id"), sql.ref("id")).as("groups")])
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return [];
  const account = { type: "Account", id: row.account_id };
  return [{ type: "ServiceAccount", id, parents: [account, ...groupsIn(row.groups)], tags: {} }];
}

async function findApiKeyEntities(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<StoredEntity[]> {
  const row = await db
    .selectFrom("api_keys")
    .select(["labels", "service_account_id"])
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return [];
  const owner = { type: "ServiceAccount", id: row.service_account_id };
  return [
    { type: "ApiKey", id, parents: [owner], tags: row.labels },
    ...(await findServiceAccountEntities(db, organizationId, owner.id)),
  ];
}

async function findAllowlistEntryEntities(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<StoredEntity[]> {
  const row = await db
    .selectFrom("allowlist_entries")
    .select("resource_id")
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return [];
  const parent = { type: typeOf(row.resource_id), id: row.resource_id };
  return [
    { type: "AllowlistEntry", id, parents: [parent], tags: {} },
    ...(await findEntities(db, organizationId, parent)),
  ];
}

/** What the identifier of something that has an allowlist says of its kind. */
export function typeOf(resourceId: string): string {
  if (resourceId.startsWith("org_")) return "Organization";
  if (resourceId.startsWith("svc_")) return "ServiceAccount";
  return resourceId.startsWith("key_") ? "ApiKey" : "Account";
}

function groupsIn(groups: string | null): { type: string; id: string }[] {
  const ids: string[] = groups === null ? [] : JSON.parse(groups);
  return ids.map((id) => ({ type: "Group", id }));
}
