import type { Queryable, Transaction } from "./database.ts";

export interface UserRow {
  id: string;
  organization_id: string;
  email: string;
  name: string;
  password_hash: string;
  administrator: boolean;
  create_time: Date;
  disable_time: Date | null;
}

export async function insertUser(
  tx: Transaction,
  row: Omit<UserRow, "create_time" | "disable_time">,
): Promise<void> {
  await tx.insertInto("users").values(row).execute();
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
