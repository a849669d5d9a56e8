import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type pg from "pg";
import { type Connection, type Database, openConnection } from "./database.ts";

/** Postgres advisory lock of the one process that sequences the audit log. */
const lockKey = 0x70646162;

/** A leader whose connection has gone silent makes way for another one after so long. */
const silentMs = 5_000;

/** How often a process that does not lead tries to. */
const electionMs = 250;

/**
 * Waits for the lead, while another process has it.
 * @param signal ends the waiting
 * @returns the connection that has the lead for as long as it lives, and on which the leader works: with the
 *   lead it loses what it has not committed. undefined when the waiting was ended
 */
export async function takeLead(
  config: pg.PoolConfig,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  const timeouts = { statement_timeout: silentMs, query_timeout: silentMs };
  const connection = await openConnection({ ...config, ...timeouts });
  try {
    await endWhenSilent(connection.db);
    while (!signal.aborted) {
      if (await takeLock(connection.db)) return connection;
      await delay(electionMs, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    await connection.end();
    throw error;
  }
  await connection.end();
  return undefined;
}

async function endWhenSilent(db: Database): Promise<void> {
  for (const setting of ["idle_session_timeout", "idle_in_transaction_session_timeout"]) {
    await sql`select set_config(${setting}, ${String(silentMs)}, false)`.execute(db);
  }
}

async function takeLock(db: Database): Promise<boolean> {
  const { rows } = await sql<{ held: boolean }>`
    select pg_try_advisory_lock(${sql.lit(lockKey)}) as held`.execute(db);
  return rows[0]?.held === true;
}
