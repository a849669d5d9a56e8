import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

export const templateDatabase = "template_pdaas";

/** A database of one test file, with the schema and no rows. */
export interface TestDatabase {
  poolConfig: pg.PoolConfig;
  url: string;
  /** Runs SQL besides the service. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Has the server end the service's connections. */
  terminateConnections(): Promise<void>;
  drop(): Promise<void>;
}

export async function createDatabase(): Promise<TestDatabase> {
  const host = inject("postgresSocket");
  const server = { host, user: "pdaas", database: "postgres" };
  const database = `test_${randomBytes(6).toString("hex")}`;
  await once(server, `create database ${database} template ${templateDatabase}`);
  const poolConfig = { ...server, database };
  const pool = new pg.Pool({ ...poolConfig, max: 2 });
  pool.on("error", () => {});
  return {
    poolConfig,
    url: `postgres://pdaas@localhost/${database}?host=${encodeURIComponent(host)}`,
    query: async (text, values) => (await pool.query(text, values)).rows as never,
    terminateConnections: async () => {
      await pool.query(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity
         where application_name = 'pdaas' and datname = current_database()`,
      );
    },
    drop: async () => {
      await pool.end();
      await once(server, `drop database ${database} with (force)`);
    },
  };
}

async function once(config: pg.ClientConfig, statement: string): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
