import { sql } from "kysely";
import type pg from "pg";
import { type Connection, openConnection } from "./database.ts";

/** Postgres advisory lock of the one process that sequences the audit log. */
const lockKey = 0x70646162;

/**
 * Takes the lead, unless another process has it.
 * @returns the connection that has it for as long as it lives, and on which the leader works: with the
 *   lead it loses what it has not committed
 */
export async function takeLead(config: pg.PoolConfig): Promise<Connection | undefined> {
  const connection = await openConnection(config);
  try {
    const { rows } = await sql<{ held: boolean }>`
      select pg_try_advisory_lock(${sql.lit(lockKey)}) as held`.execute(connection.db);
    if (rows[0]?.held === true) return connection;
  } catch (error) {
    await connection.end();
    throw error;
  }
  await connection.end();
  return undefined;
}
