import pg from "pg";
import { expect } from "vitest";
import type { TestService } from "./service.ts";

/** A transaction that holds the row of the organization, so that changes wait for it. */
export interface Holder {
  /** Runs SQL in the transaction. */
  query(text: string, values?: unknown[]): Promise<void>;
  release(): Promise<void>;
}

export async function holdOrganization(service: TestService): Promise<Holder> {
  const client = new pg.Client(service.database.poolConfig);
  await client.connect();
  await client.query("begin");
  await client.query("select 1 from organizations for update");
  return {
    query: async (text, values) => {
      await client.query(text, values);
    },
    release: async () => {
      await client.query("commit");
      await client.end();
    },
  };
}

/** Until so many of the service's transactions wait for a lock. */
export async function waiting(service: TestService, count: number): Promise<void> {
  const text =
    "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await expect.poll(() => service.database.query(text)).toHaveLength(count);
}
