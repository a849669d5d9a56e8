import { randomBase62 } from "../ids.ts";
import type { Database, Queryable } from "./database.ts";

/** This installation: everything that shares one database. */
export interface Instance {
  /** 8 characters that set its Redis keys apart from another installation's. */
  readonly id: string;
  /** Whether nonces were ever kept: if so, an empty replay store has lost its memory. */
  readonly replayStoreUsed: boolean;
}

/**
 * Reads the installation's identity, which the first start creates.
 * @throws Error when the database was sealed with another master key
 */
export async function openInstance(db: Database, masterKeyId: string): Promise<Instance> {
  await db
    .insertInto("instance")
    .values({ id: randomBase62(8), master_key_id: masterKeyId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const row = await db.selectFrom("instance").selectAll().executeTakeFirstOrThrow();
  if (row.master_key_id !== masterKeyId) {
    throw new Error(
      `This database is sealed with the master key ${row.master_key_id}, and the one given is ${masterKeyId}. ` +
        `Set PDAAS_MASTER_KEY or PDAAS_MASTER_KEY_FILE to ${row.master_key_id}: no other key can open it.`,
    );
  }
  return { id: row.id, replayStoreUsed: row.replay_store_used };
}

/** Remembers for ever that nonces are kept from now on. */
export async function markReplayStoreUsed(db: Queryable): Promise<void> {
  await db.updateTable("instance").set({ replay_store_used: true }).execute();
}
