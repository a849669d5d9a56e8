import { setTimeout as delay } from "node:timers/promises";
import {
  Kysely,
  type Transaction as KyselyTransaction,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
} from "kysely";
import pg from "pg";
import type { Schema } from "./schema.ts";

/** A pool of Postgres connections. */
export type Database = Kysely<Schema>;
/** A transaction on one of them; what is read or written within it stands or falls together. */
export type Transaction = KyselyTransaction<Schema>;
/** Either: for queries that can run inside or outside a transaction. */
export type Queryable = Database | Transaction;

/** Postgres settings that are the same wherever it runs. */
const defaults: pg.PoolConfig = {
  max: 20,
  connectionTimeoutMillis: 3_000,
  idleTimeoutMillis: 60_000,
  statement_timeout: 10_000,
  // For when not even the server's own timeout is heard of: a connection may go silent.
  query_timeout: 12_000,
  keepAlive: true,
  idle_in_transaction_session_timeout: 15_000,
  application_name: "pdaas",
};

/** int8 columns are counters far below 2^53, so they are read as numbers. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === pg.types.builtins.INT8
      ? Number
      : // biome-ignore lint/suspicious/noExplicitAny: pg's overloads cannot express a pass-through.
        (pg.types.getTypeParser as any)(oid, format),
};

/**
 * Opens a pool. Connections are made on first use, so an unreachable server shows then.
 * @param onError told of connections that break while idle; the pool replaces them
 */
export function openDatabase(
  config: pg.PoolConfig,
  onError: (error: Error) => void = () => {},
): Database {
  const pool = new pg.Pool({ ...defaults, types, ...config });
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError));
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: withoutSilent(pool) }) });
}

/** Names of prepared statements, by their text. */
const prepared = new Map<string, string>();

/** Has Postgres plan a statement once on each connection: it takes longer than to run it. */
export function planOnce({ sql }: { sql: string }, name: string): void {
  prepared.set(sql, name);
}

/** One connection, for what must end when it breaks. */
export interface Connection {
  /** Takes one query or transaction at a time. */
  readonly db: Database;
  end(): Promise<void>;
}

/** How long a server may take to take leave: one that is silent will not. */
const leaveMs = 1_000;

export async function openConnection(config: pg.PoolConfig): Promise<Connection> {
  const client = new pg.Client({ ...defaults, types, ...config });
  client.on("error", () => {});
  await client.connect();
  const query = (text: string, values: unknown[]) => client.query(text, values);
  const connection = { query, release: () => {} } as unknown as PostgresPoolClient;
  const pool: PostgresPool = {
    options: {},
    connect: async () => connection,
    end: () => client.end(),
  };
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  const end = async () => {
    await Promise.race([client.end(), delay(leaveMs, undefined, { ref: false })]);
  };
  return { db, end };
}

/** A connection that owes an answer is not used again: the next query would wait behind it. */
function withoutSilent(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect();
      let isSilent = false;
      const query = async (text: string, values: unknown[]) => {
        try {
          const name = prepared.get(text);
          return await client.query({ text, values, ...(name !== undefined && { name }) });
        } catch (error) {
          isSilent ||= (error as Error).message === "Query read timeout";
          throw error;
        }
      };
      const release = (destroy?: boolean) => client.release(destroy === true || isSilent);
      return { query, release } as unknown as PostgresPoolClient;
    },
  };
}
