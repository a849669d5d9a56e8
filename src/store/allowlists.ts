import { type Expression, type Selectable, sql, type UpdateObject } from "kysely";
import type { Queryable, Transaction } from "./database.ts";
import type { Schema } from "./schema.ts";

export type AllowlistEntryRow = Selectable<Schema["allowlist_entries"]>;

/** An entry as `allowlistsOf` has it: [resource id, report only, CIDR, expiry in Unix ms or null, id]. */
export type AllowlistItem = [string, boolean, string, number | null, string];

/**
 * Selects the entries of an organization's allowlist and of some of its resources', as JSON text of
 * AllowlistItems in the order of their identifiers; null when there are none.
 */
export function allowlistsOf(organization: Expression<unknown>, resources: Expression<unknown>[]) {
  const ids = sql.join([organization, ...resources]);
  return sql<string | null>`(
    select json_agg(json_build_array(entry.resource_id, list.report_only, entry.cidr,
      (extract(epoch from entry.expire_time) * 1000)::bigint, entry.id) order by entry.id)::text
    from allowlist_entries entry
    join allowlists list using (organization_id, resource_id)
    where organization_id = ${organization} and resource_id in (${ids}))`;
}

/** The same, by values. */
export async function readAllowlists(
  db: Queryable,
  organizationId: string,
  resourceIds: string[],
): Promise<string | null> {
  const lists = allowlistsOf(sql.val(organizationId), resourceIds.map(sql.val));
  const { rows } = await sql<{ lists: string | null }>`select ${lists} as lists`.execute(db);
  return rows[0]?.lists ?? null;
}

/** Whether a list only reports; false while nothing is known of it. */
export async function findReportOnly(
  db: Queryable,
  organizationId: string,
  resourceId: string,
): Promise<boolean> {
  const row = await db
    .selectFrom("allowlists")
    .select("report_only")
    .where("organization_id", "=", organizationId)
    .where("resource_id", "=", resourceId)
    .executeTakeFirst();
  return row?.report_only ?? false;
}

export async function setReportOnly(
  tx: Transaction,
  organizationId: string,
  resourceId: string,
  reportOnly: boolean,
): Promise<void> {
  await tx
    .insertInto("allowlists")
    .values({ organization_id: organizationId, resource_id: resourceId, report_only: reportOnly })
    .onConflict((conflict) =>
      conflict.columns(["organization_id", "resource_id"]).doUpdateSet({ report_only: reportOnly }),
    )
    .execute();
}

/** @returns undefined when the list has the CIDR already */
export async function insertAllowlistEntry(
  tx: Transaction,
  row: Omit<AllowlistEntryRow, "create_time">,
): Promise<AllowlistEntryRow | undefined> {
  const { organization_id, resource_id } = row;
  await tx
    .insertInto("allowlists")
    .values({ organization_id, resource_id })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return tx
    .insertInto("allowlist_entries")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["organization_id", "resource_id", "cidr"]).doNothing(),
    )
    .returningAll()
    .executeTakeFirst();
}

export async function findAllowlistEntry(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<AllowlistEntryRow | undefined> {
  return db
    .selectFrom("allowlist_entries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listAllowlistEntries(
  db: Queryable,
  organizationId: string,
  resourceId: string,
  page: { after: string; limit: number },
): Promise<AllowlistEntryRow[]> {
  return db
    .selectFrom("allowlist_entries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("resource_id", "=", resourceId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

export async function countAllowlistEntries(
  db: Queryable,
  organizationId: string,
  resourceId: string,
): Promise<number> {
  const row = await db
    .selectFrom("allowlist_entries")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("organization_id", "=", organizationId)
    .where("resource_id", "=", resourceId)
    .executeTakeFirstOrThrow();
  return row.count;
}

export async function updateAllowlistEntry(
  tx: Transaction,
  organizationId: string,
  id: string,
  changes: UpdateObject<Schema, "allowlist_entries">,
): Promise<AllowlistEntryRow | undefined> {
  return tx
    .updateTable("allowlist_entries")
    .set(changes)
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}

/** @returns what was there */
export async function deleteAllowlistEntry(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<AllowlistEntryRow | undefined> {
  return tx
    .deleteFrom("allowlist_entries")
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}

/** @param resourceIds of service accounts and API keys that the transaction has removed */
export async function removeAllowlists(tx: Transaction, resourceIds: string[]): Promise<void> {
  await tx.deleteFrom("allowlists").where("resource_id", "in", resourceIds).execute();
}
