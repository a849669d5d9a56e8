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
