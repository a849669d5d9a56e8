import { sql } from "kysely";
import type pg from "pg";
import { type Connection, openConnection } from "./database.ts";

/** Postgres advisory lock of the one process that sequences the audit log. */
const lockKey = 0x70646162;

/** A leader whose connection has gone silent makes way for another one after so long. */
const silentMs = 5_000;

/**
 * Takes the lead, unless another process has it.
 * @returns the connection that has it for as long as it lives, and on which the leader works: with the
 *   lead it loses what it has not committed
 */
export async function takeLead(config: pg.PoolConfig): Promise<Connection | undefined> {
  const timeouts = { statement_timeout: silentMs, query_timeout: silentMs };
  const connection = await openConnection({ ...config, ...timeouts });
  try {
    for (const setting of ["idle_session_timeout", "idle_in_transaction_session_timeout"]) {
      await sql`select set_config(${setting}, ${String(silentMs)}, false)`.execute(connection.db);
    }
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
