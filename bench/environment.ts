import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../src/embedded/postgres.ts";
import { startRedisServer } from "../test/harness/redis-server.ts";
import { pin } from "./process.ts";

export interface EnvironmentOptions {
  /** As EmbeddedPostgresOptions has them. */
  postgresSettings?: Record<string, string>;
  /** Where both run; on any without it. */
  processor?: number;
}

/**
 * Settings of a service on a Postgres and a Redis of its own.
 * @param stack stops them
 */
export async function startEnvironment(
  stack: AsyncDisposableStack,
  { postgresSettings = {}, processor }: EnvironmentOptions = {},
): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "pdaas-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    settings: postgresSettings,
  });
  stack.defer(() => postgres.stop());
  const redis = await startRedisServer();
  stack.defer(() => redis.stop());
  if (processor !== undefined) {
    for (const pid of [await postmasterPid(postgres.dataDir), redis.pid]) pin(pid, processor);
  }
  const { host, user, database } = postgres.poolConfig;
  return {
    PDAAS_DATA_DIR: folder,
    PDAAS_DATABASE_URL: `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host ?? "")}`,
    PDAAS_REDIS_URL: redis.url,
    PDAAS_GRPC_LISTEN: "127.0.0.1:0",
    PDAAS_HTTP_LISTEN: "127.0.0.1:0",
    PDAAS_LOG_LEVEL: "warn",
  };
}

async function postmasterPid(dataDir: string): Promise<number> {
  const [pid] = (await readFile(join(dataDir, "postmaster.pid"), "utf8")).split("\n");
  return Number(pid);
}
