import { setTimeout as delay } from "node:timers/promises";
import {
  Kysely,
  type Transaction as KyselyTransaction,
  PostgresDialect,
  type PostgresPool,
} from "kysely";
import pg from "pg";
import { overClient, overPool } from "./connection.ts";
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
  pipeline: true,
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
 * @param onError told of connections that break; the pool replaces them
 */
export function openDatabase(
  config: pg.PoolConfig,
  onError: (error: Error) => void = () => {},
): Database {
  const pool = new pg.Pool({ ...defaults, types, ...config });
  // The pool tells of the same error, of idle connections only, with all of the connection inside.
  pool.on("error", () => {});
  pool.on("connect", (client) => {
    // A pool that ends does not wait for its connections to: the server may stop before they have.
    client.on("error", (error) => pool.ending || onError(error));
  });
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: overPool(pool) }) });
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
  const connection = overClient(client, () => {});
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
