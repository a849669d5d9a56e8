import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";

export interface AccountRow {
  organization_id: string;
  id: string;
  name: string;
  description: string;
  create_time: Date;
}

/** @returns undefined when the identifier is taken */
export async function insertAccount(
  tx: Transaction,
  row: Omit<AccountRow, "create_time">,
): Promise<AccountRow | undefined> {
  return tx
    .insertInto("accounts")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function findAccount(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<AccountRow | undefined> {
  return db
    .selectFrom("accounts")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** In order of identifier, those after `after`. */
export async function listAccounts(
  db: Queryable,
  organizationId: string,
  page: { after: string; limit: number },
): Promise<AccountRow[]> {
  return db
    .selectFrom("accounts")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

/** What a call has named as something of an organization. */
interface NamedResource {
  organizationId: string;
  resourceId: string;
}

/** Whoever names something can name anything. */
const placedId = /^(svc|key)_\w+$/;

/**
 * Finds the accounts that service accounts and API keys are in.
 * @param resources of any organizations
 * @returns what tells the account of one of these; empty where it is in none, or not of its organization
 */
export async function findAccountsOf(
  db: Queryable,
  resources: readonly NamedResource[],
): Promise<(resource: NamedResource) => string> {
  const placed = resources.filter(({ resourceId }) => placedId.test(resourceId));
  if (placed.length === 0) return () => "";
  const organizationIds = placed.map(({ organizationId }) => organizationId);
  const ids = placed.map(({ resourceId }) => resourceId);
  const { rows } = await sql<{ organization_id: string; id: string; account_id: string }>`
    with named as (
      select * from unnest(${organizationIds}::text[], ${ids}::text[]) as n (organization_id, id)
    )
    select named.*, owner.account_id from named
    join service_accounts as owner using (organization_id, id)
    union
    select named.*, owner.account_id from named
    join api_keys using (organization_id, id)
    join service_accounts as owner on owner.id = api_keys.service_account_id`.execute(db);
  const key = (organizationId: string, id: string) => `${organizationId} ${id}`;
  const accounts = new Map(
    rows.map(({ organization_id, id, account_id }) => [key(organization_id, id), account_id]),
  );
  return ({ organizationId, resourceId }) => accounts.get(key(organizationId, resourceId)) ?? "";
}
