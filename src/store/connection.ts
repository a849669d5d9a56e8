// How statements go over a connection to Postgres: each is a round trip, and most of what a change costs
// are its round trips.

import { CompiledQuery, type PostgresPool, type PostgresPoolClient } from "kysely";
import type pg from "pg";
import type { Transaction } from "./database.ts";

/** Names of prepared statements, by their text. */
const prepared = new Map<string, string>();
/** Statements that wait for the next one of their transaction. */
const patient = new Set<string>();
const nothing = { command: "", rowCount: 0, rows: [] };

/** Has Postgres plan a statement once on each connection: it takes longer than to run it. */
export function planOnce(sql: string, name: string): void {
  prepared.set(sql, name);
}

/**
 * A statement whose result nobody reads. It is executed along with the next one of its transaction, in the
 * same round trip: at the latest with the commit, which fails if it has failed.
 * @param sql nothing else may have the same text
 * @returns what executes it. What Postgres does not see fail would be committed without it, so its values
 *   are of kinds that always reach Postgres.
 */
export function patientStatement(
  sql: string,
): (tx: Transaction, values: readonly (string | number | Buffer)[]) => Promise<void> {
  patient.add(sql);
  return async (tx, values) => {
    await tx.executeQuery(CompiledQuery.raw(sql, [...values]));
  };
}

/** The connections of a pool. */
export function overPool(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect();
      return overClient(client, (destroy) => client.release(destroy));
    },
  };
}

/** @param release takes the connection back, or ends it when it is not to be used again */
export function overClient(
  client: pg.ClientBase,
  release: (destroy: boolean) => void,
): PostgresPoolClient {
  let waiting: pg.QueryConfig[] = [];
  // A connection that owes an answer is not used again: the next query would wait behind it.
  let isSilent = false;
  const send = async (statements: pg.QueryConfig[]) => {
    const answers = await Promise.allSettled(statements.map((next) => client.query(next)));
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed === undefined)
      return (answers.at(-1) as PromiseFulfilledResult<pg.QueryResult>).value;
    isSilent ||= (failed.reason as Error).message === "Query read timeout";
    throw failed.reason;
  };
  const query = async (text: string, values: unknown[]) => {
    const name = prepared.get(text);
    waiting.push({ text, values, ...(name !== undefined && { name }) });
    if (patient.has(text)) return nothing;
    const statements = waiting;
    waiting = [];
    return send(statements);
  };
  return {
    query,
    release: (destroy?: boolean) => release(destroy === true || isSilent),
  } as unknown as PostgresPoolClient;
}
