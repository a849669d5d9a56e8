import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";
import { removeTraces } from "./policy-attachments.ts";

export interface UserRow {
  id: string;
  organization_id: string;
  email: string;
  name: string;
  password_hash: string | null;
  permissions: string[];
  version: number;
  create_time: Date;
  update_time: Date;
  disable_time: Date | null;
}

/** What can be changed of a user. */
export type UserChanges = Partial<
  Pick<UserRow, "email" | "name" | "permissions" | "password_hash" | "disable_time">
>;

/** @returns undefined when the organization has a user with this email */
export async function insertUser(
  tx: Transaction,
  row: Pick<UserRow, "id" | "organization_id" | "email" | "name" | "password_hash" | "permissions">,
): Promise<UserRow | undefined> {
  return tx
    .insertInto("users")
    .values(row)
    .onConflict((conflict) => conflict.columns(["organization_id", "email"]).doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function findUser(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<UserRow | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Like findUser, and holds the row until the transaction ends. */
export async function lockUser(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<UserRow | undefined> {
  return tx
    .selectFrom("users")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
}

/** @param email compared in lower case */
export async function findUserByEmail(
  db: Queryable,
  organizationId: string,
  email: string,
): Promise<UserRow | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("email", "=", email.toLowerCase())
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listUsers(
  db: Queryable,
  organizationId: string,
  page: { after: string; limit: number },
): Promise<UserRow[]> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

/** Changes a row that the transaction holds, and its version with it. */
export async function updateUser(
  tx: Transaction,
  row: UserRow,
  changes: UserChanges,
): Promise<UserRow> {
  return tx
    .updateTable("users")
    .set({ ...changes, version: sql`version + 1`, update_time: sql`now()` })
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes a user for good, with its sessions and invitations, and with all that policies know of it. */
export async function deleteUser(tx: Transaction, row: UserRow): Promise<void> {
  await removeTraces(tx, row.organization_id, [row.id]);
  await tx
    .deleteFrom("users")
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .execute();
}
