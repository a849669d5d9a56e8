import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import type pg from "pg";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../../src/embedded/postgres.ts";
import { openDatabase } from "../../src/store/database.ts";
import { migrateToLatest } from "../../src/store/migrate.ts";
import { templateDatabase } from "./database.ts";
import { startRedisServer } from "./redis-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the socket of the tests' Postgres. */
    postgresSocket: string;
    redisUrl: string;
  }
}

/** The tests' own Postgres, with a template to copy databases from, and their own Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "pdaas-test-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    settings: { fsync: "off", full_page_writes: "off", max_connections: "300" },
  });
  stack.defer(() => postgres.stop());
  await makeTemplate(postgres.poolConfig);
  project.provide("postgresSocket", postgres.poolConfig.host as string);
  project.provide("redisUrl", process.env.PDAAS_TEST_REDIS_URL ?? (await ownRedis(stack)));
  return () => stack.disposeAsync();
}

async function makeTemplate(poolConfig: pg.PoolConfig): Promise<void> {
  const server = openDatabase(poolConfig, () => {});
  await sql`create database ${sql.id(templateDatabase)}`.execute(server);
  await server.destroy();
  const template = openDatabase({ ...poolConfig, database: templateDatabase }, () => {});
  await migrateToLatest(template);
  await template.destroy();
}

async function ownRedis(stack: AsyncDisposableStack): Promise<string> {
  const redis = await startRedisServer();
  stack.defer(() => redis.stop());
  return redis.url;
}
