import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";

export interface ApiKeyRow {
  id: string;
  organization_id: string;
  service_account_id: string;
  access_key: string;
  algorithm: string;
  sealed_secret: Buffer;
  secret_version: number;
  description: string;
  create_time: Date;
  revoke_time: Date | null;
}

/** Everything that decides whether a signature of a key is honoured, read in one query. */
export interface CredentialRow extends ApiKeyRow {
  account_id: string;
  service_account_name: string;
  permissions: string[];
  disable_time: Date | null;
  delete_time: Date | null;
  organization_slug: string;
  organization_name: string;
  organization_create_time: Date;
  sealed_data_key: Buffer;
  access_epoch: number;
}

export async function insertApiKey(
  tx: Transaction,
  row: Omit<ApiKeyRow, "create_time" | "revoke_time">,
): Promise<ApiKeyRow> {
  return tx.insertInto("api_keys").values(row).returningAll().executeTakeFirstOrThrow();
}

/** Not scoped to an organization: the access key is what tells which one the caller belongs to. */
export async function findCredential(
  db: Queryable,
  accessKey: string,
): Promise<CredentialRow | undefined> {
  return db
    .selectFrom("api_keys")
    .innerJoin("service_accounts", "service_accounts.id", "api_keys.service_account_id")
    .innerJoin("organizations", "organizations.id", "api_keys.organization_id")
    .selectAll("api_keys")
    .select([
      "service_accounts.account_id",
      "service_accounts.name as service_account_name",
      "service_accounts.permissions",
      "service_accounts.disable_time",
      "service_accounts.delete_time",
      "organizations.slug as organization_slug",
      "organizations.name as organization_name",
      "organizations.create_time as organization_create_time",
      "organizations.sealed_data_key",
      "organizations.access_epoch",
    ])
    .where("api_keys.access_key", "=", accessKey)
    .executeTakeFirst();
}

export async function findApiKey(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<ApiKeyRow | undefined> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** In order of identifier, which is the order of issue, those after `after`. */
export async function listApiKeys(
  db: Queryable,
  organizationId: string,
  serviceAccountId: string,
  page: { after: string; limit: number },
): Promise<ApiKeyRow[]> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("service_account_id", "=", serviceAccountId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

/** Keys of a service account that are not revoked. */
export async function countLiveApiKeys(tx: Transaction, serviceAccountId: string): Promise<number> {
  const row = await tx
    .selectFrom("api_keys")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("service_account_id", "=", serviceAccountId)
    .where("revoke_time", "is", null)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Keeps the time of the first revocation. */
export async function revokeApiKey(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<ApiKeyRow | undefined> {
  return tx
    .updateTable("api_keys")
    .set({ revoke_time: sql`coalesce(revoke_time, now())` })
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}
