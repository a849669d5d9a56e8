import { type CompiledQuery, type Insertable, type Selectable, sql, type Updateable } from "kysely";
import { allowlistsOf } from "./allowlists.ts";
import { lastUse, type UseJson } from "./api-key-uses.ts";
import { planOnce } from "./connection.ts";
import type { Database, Queryable, Transaction } from "./database.ts";
import { type AccessColumns, serviceAccountAccess } from "./members.ts";
import { type JoinedOrganization, organizationColumns } from "./organizations.ts";
import type { Schema } from "./schema.ts";

export type ApiKeyRow = Selectable<Schema["api_keys"]>;

/** A key with its last use, and that of the key that replaces it. */
export interface UsedApiKeyRow extends ApiKeyRow {
  last_use: UseJson | null;
  successor_last_use: UseJson | null;
}

/** What can be changed of a key. */
export type ApiKeyChanges = Partial<
  Pick<
    Updateable<Schema["api_keys"]>,
    | "name"
    | "description"
    | "labels"
    | "permission_limit"
    | "rate_per_second"
    | "rate_burst"
    | "expire_time"
    | "retire_time"
    | "disable_time"
    | "revoke_time"
    | "revoke_reason"
    | "successor_id"
    | "leak_time"
    | "leak_source"
  >
>;

/** Everything that decides whether a signature of a key is honoured, read in one query. */
export interface CredentialRow extends JoinedOrganization, AccessColumns {
  id: string;
  organization_id: string;
  service_account_id: string;
  sealed_secret: Buffer;
  secret_version: number;
  permission_limit: string[] | null;
  rate_per_second: number | null;
  rate_burst: number | null;
  expire_time: Date | null;
  retire_time: Date | null;
  disable_time: Date | null;
  revoke_time: Date | null;
  account_id: string;
  service_account_name: string;
  service_account_rate_per_second: number | null;
  service_account_rate_burst: number | null;
  service_account_disable_time: Date | null;
  delete_time: Date | null;
  sealed_data_key: Buffer;
  /** See allowlistsOf. */
  allowlists: string | null;
}

export async function insertApiKey(
  tx: Transaction,
  row: Insertable<Schema["api_keys"]>,
): Promise<ApiKeyRow> {
  return tx.insertInto("api_keys").values(row).returningAll().executeTakeFirstOrThrow();
}

let credentialQuery: CompiledQuery<CredentialRow> | undefined;

/** Not scoped to an organization: the access key is what tells which one the caller belongs to. */
export async function findCredential(
  db: Queryable,
  accessKey: string,
): Promise<CredentialRow | undefined> {
  if (credentialQuery === undefined) {
    credentialQuery = credentials(db).where("api_keys.access_key", "=", accessKey).compile();
    planOnce(credentialQuery.sql, "credential");
  }
  const { rows } = await db.executeQuery<CredentialRow>({
    ...credentialQuery,
    parameters: [accessKey],
  });
  return rows[0];
}

function credentials(db: Queryable) {
  return db
    .selectFrom("api_keys")
    .innerJoin("service_accounts", "service_accounts.id", "api_keys.service_account_id")
    .innerJoin("organizations", "organizations.id", "api_keys.organization_id")
    .select([
      "api_keys.id",
      "api_keys.organization_id",
      "api_keys.service_account_id",
      "api_keys.sealed_secret",
      "api_keys.secret_version",
      "api_keys.permission_limit",
      "api_keys.rate_per_second",
      "api_keys.rate_burst",
      "api_keys.expire_time",
      "api_keys.retire_time",
      "api_keys.disable_time",
      "api_keys.revoke_time",
      "service_accounts.account_id",
      "service_accounts.name as service_account_name",
      "service_accounts.permissions",
      "service_accounts.rate_per_second as service_account_rate_per_second",
      "service_accounts.rate_burst as service_account_rate_burst",
      "service_accounts.disable_time as service_account_disable_time",
      "service_accounts.delete_time",
      "organizations.sealed_data_key",
      "organizations.access_epoch",
      allowlistsOf(sql.ref("api_keys.organization_id"), [
        sql.ref("service_accounts.account_id"),
        sql.ref("service_accounts.id"),
        sql.ref("api_keys.id"),
      ]).as("allowlists"),
    ])
    .select(serviceAccountAccess)
    .select(organizationColumns);
}

export async function findApiKey(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<UsedApiKeyRow | undefined> {
  return usedApiKeys(db, organizationId).where("id", "=", id).executeTakeFirst();
}

/**
 * The key itself, held until the transaction ends. Its identifier does not change, so whoever records
 * its uses need not wait, nor be waited for.
 */
export async function lockApiKey(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<ApiKeyRow | undefined> {
  return tx
    .selectFrom("api_keys")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Not scoped to an organization: whoever has the secret proves with it which key it is. */
export async function findApiKeyByFingerprint(
  db: Queryable,
  fingerprint: Buffer,
): Promise<ApiKeyRow | undefined> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("secret_fingerprint", "=", fingerprint)
    .executeTakeFirst();
}

/** When a key stops being honoured, for whichever reason; null for never. */
const endTime = sql<Date | null>`least(expire_time, retire_time)`;

/** What is undefined or empty does not filter. */
export interface ApiKeyFilter {
  serviceAccountId: string;
  /** Only keys that are not revoked, have not come to their end, and do so before this. */
  expireBefore: Date | undefined;
}

/** In order of identifier, which is the order of issue, those after `after`. */
export async function listApiKeys(
  db: Queryable,
  organizationId: string,
  filter: ApiKeyFilter,
  page: { after: string; limit: number },
): Promise<UsedApiKeyRow[]> {
  let query = usedApiKeys(db, organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit);
  if (filter.serviceAccountId !== "") {
    query = query.where("service_account_id", "=", filter.serviceAccountId);
  }
  if (filter.expireBefore !== undefined) {
    query = query
      .where("revoke_time", "is", null)
      .where(endTime, ">", sql<Date>`now()`)
      .where(endTime, "<", filter.expireBefore);
  }
  return query.execute();
}

function usedApiKeys(db: Queryable, organizationId: string) {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .select([
      lastUse(sql.ref("api_keys.id")).as("last_use"),
      lastUse(sql.ref("api_keys.successor_id")).as("successor_last_use"),
    ])
    .where("organization_id", "=", organizationId);
}

/** Keys of a service account that are neither revoked, nor expired, nor replaced. */
export async function countLiveApiKeys(tx: Transaction, serviceAccountId: string): Promise<number> {
  const row = await tx
    .selectFrom("api_keys")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("service_account_id", "=", serviceAccountId)
    .where("revoke_time", "is", null)
    .where("successor_id", "is", null)
    .where((eb) => eb.or([eb(endTime, "is", null), eb(endTime, ">", sql<Date>`now()`)]))
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Changes a row that the transaction holds, and its version with it. */
export async function updateApiKey(
  tx: Transaction,
  row: ApiKeyRow,
  changes: ApiKeyChanges,
): Promise<UsedApiKeyRow> {
  await tx
    .updateTable("api_keys")
    .set({ ...changes, version: sql`version + 1`, update_time: sql`now()` })
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .execute();
  const changed = await findApiKey(tx, row.organization_id, row.id);
  if (changed === undefined) throw new Error(`${row.id} was held and is gone`);
  return changed;
}

/** Takes keys whose end is near and was not announced; of several processes, one gets each. */
export async function takeUnannouncedExpiries(
  tx: Transaction,
  withinDays: number,
): Promise<{ id: string; organization_id: string }[]> {
  const due = await tx
    .selectFrom("api_keys")
    .select(["id", "organization_id"])
    .where("revoke_time", "is", null)
    .where(endTime, ">", sql<Date>`now()`)
    .where(endTime, "<", sql<Date>`now() + make_interval(days => ${withinDays})`)
    .where("announced_end_time", "is distinct from", endTime)
    // Nobody misses the end of a key that is replaced or was stopped.
    .where("successor_id", "is", null)
    .where("disable_time", "is", null)
    .orderBy(endTime)
    .limit(500)
    .forUpdate()
    .skipLocked()
    .execute();
  const ids = due.map((row) => row.id);
  if (ids.length === 0) return [];
  await tx
    .updateTable("api_keys")
    .set({ announced_end_time: endTime })
    .where("id", "in", ids)
    .execute();
  return due;
}

/** A sealed secret whose fingerprint is not known. */
export interface UnfingerprintedRow {
  id: string;
  organization_id: string;
  sealed_secret: Buffer;
  secret_version: number;
  sealed_data_key: Buffer;
}

export async function listUnfingerprinted(
  db: Database,
  page: { after: string; limit: number },
): Promise<UnfingerprintedRow[]> {
  return db
    .selectFrom("api_keys")
    .innerJoin("organizations", "organizations.id", "api_keys.organization_id")
    .select([
      "api_keys.id",
      "api_keys.organization_id",
      "api_keys.sealed_secret",
      "api_keys.secret_version",
      "organizations.sealed_data_key",
    ])
    .where("secret_fingerprint", "is", null)
    .where("api_keys.id", ">", page.after)
    .orderBy("api_keys.id")
    .limit(page.limit)
    .execute();
}

export async function setFingerprint(db: Database, id: string, fingerprint: Buffer): Promise<void> {
  await db
    .updateTable("api_keys")
    .set({ secret_fingerprint: fingerprint })
    .where("id", "=", id)
    .execute();
}
