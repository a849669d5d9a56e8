import { sql, type UpdateObject } from "kysely";
import { removeAllowlists } from "./allowlists.ts";
import type { Queryable, Transaction } from "./database.ts";
import { removeTraces } from "./policy-attachments.ts";
import type { Schema } from "./schema.ts";

export interface ServiceAccountRow {
  id: string;
  organization_id: string;
  account_id: string;
  name: string;
  description: string;
  permissions: string[];
  version: number;
  create_time: Date;
  update_time: Date;
  disable_time: Date | null;
  delete_time: Date | null;
  rate_per_second: number | null;
  rate_burst: number | null;
}

/** How long a deleted service account can be had back. */
export const undeleteDays = 30;

export async function insertServiceAccount(
  tx: Transaction,
  row: Pick<
    ServiceAccountRow,
    | "id"
    | "organization_id"
    | "account_id"
    | "name"
    | "description"
    | "permissions"
    | "rate_per_second"
    | "rate_burst"
  >,
): Promise<ServiceAccountRow> {
  return tx.insertInto("service_accounts").values(row).returningAll().executeTakeFirstOrThrow();
}

export async function findServiceAccount(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<ServiceAccountRow | undefined> {
  return db
    .selectFrom("service_accounts")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Like findServiceAccount, and holds the row until the transaction ends. */
export async function lockServiceAccount(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<ServiceAccountRow | undefined> {
  return tx
    .selectFrom("service_accounts")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listServiceAccounts(
  db: Queryable,
  organizationId: string,
  filter: { accountId: string; showDeleted: boolean },
  page: { after: string; limit: number },
): Promise<ServiceAccountRow[]> {
  let query = db
    .selectFrom("service_accounts")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit);
  if (filter.accountId !== "") query = query.where("account_id", "=", filter.accountId);
  if (!filter.showDeleted) query = query.where("delete_time", "is", null);
  return query.execute();
}

/** Changes a row that the transaction holds, and its version with it. */
export async function updateServiceAccount(
  tx: Transaction,
  row: ServiceAccountRow,
  changes: UpdateObject<Schema, "service_accounts">,
): Promise<ServiceAccountRow> {
  return tx
    .updateTable("service_accounts")
    .set({ ...changes, version: sql`version + 1`, update_time: sql`now()` })
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Removes for good what was deleted too long ago to be had back. */
export async function purgeServiceAccounts(
  tx: Transaction,
): Promise<{ id: string; organization_id: string }[]> {
  const expired = await tx
    .selectFrom("service_accounts")
    .select(["id", "organization_id"])
    .where("delete_time", "<", sql<Date>`now() - make_interval(days => ${undeleteDays})`)
    .orderBy("delete_time")
    .limit(100)
    .forUpdate()
    .skipLocked()
    .execute();
  const ids = expired.map((row) => row.id);
  if (ids.length === 0) return [];
  const keys = await tx
    .deleteFrom("api_keys")
    .where("service_account_id", "in", ids)
    .returning("id")
    .execute();
  await removeAllowlists(tx, [...ids, ...keys.map((key) => key.id)]);
  for (const row of expired) await removeTraces(tx, row.organization_id, [row.id]);
  await tx.deleteFrom("service_accounts").where("id", "in", ids).execute();
  return expired;
}
