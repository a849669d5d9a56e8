import { sql } from "kysely";
import type { Database } from "./database.ts";

export interface AuditKeyRow {
  id: string;
  sealed_private_key: Buffer;
}

/** The key that signs now: the newest. */
export async function findAuditKey(db: Database): Promise<AuditKeyRow | undefined> {
  return db
    .selectFrom("audit_keys")
    .select(["id", "sealed_private_key"])
    .orderBy("create_time", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** Of several processes that start at once, one makes the key. */
export async function insertFirstAuditKey(db: Database, row: AuditKeyRow): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`lock table audit_keys in share row exclusive mode`.execute(tx);
    const known = await tx.selectFrom("audit_keys").select("id").limit(1).executeTakeFirst();
    if (known === undefined) await tx.insertInto("audit_keys").values(row).execute();
  });
}
