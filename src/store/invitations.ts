import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";

/** The one invitation of a user that is good from now on: those before are void. */
export async function replaceInvitation(
  tx: Transaction,
  row: { hash: Buffer; organization_id: string; user_id: string; expire_time: Date },
): Promise<void> {
  await removeInvitations(tx, row.user_id);
  await tx.insertInto("invitations").values(row).execute();
}

export async function removeInvitations(tx: Transaction, userId: string): Promise<void> {
  await tx.deleteFrom("invitations").where("user_id", "=", userId).execute();
}

/**
 * Whose an invitation is, which is not used up by that. Not scoped to an organization: the token is what
 * tells which one it is of.
 */
export async function findInvitation(
  db: Queryable,
  hash: Buffer,
): Promise<{ organization_id: string; user_id: string } | undefined> {
  return db
    .selectFrom("invitations")
    .select(["organization_id", "user_id"])
    .where("hash", "=", hash)
    .where("expire_time", ">", sql<Date>`now()`)
    .executeTakeFirst();
}

/**
 * Uses an invitation up: of two at once, one is first.
 * @returns whose it was; undefined when it is unknown or expired
 */
export async function takeInvitation(
  tx: Transaction,
  hash: Buffer,
): Promise<{ organization_id: string; user_id: string } | undefined> {
  return tx
    .deleteFrom("invitations")
    .where("hash", "=", hash)
    .where("expire_time", ">", sql<Date>`now()`)
    .returning(["organization_id", "user_id"])
    .executeTakeFirst();
}
