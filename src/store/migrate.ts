import { type Kysely, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Database } from "./database.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as keyLifecycle from "./migrations/0002-key-lifecycle.ts";
import * as access from "./migrations/0003-access.ts";
import * as audit from "./migrations/0004-audit.ts";
import * as auditRetentionAndSinks from "./migrations/0005-audit-retention-and-sinks.ts";

/** In order; a migration that was released is never edited, only followed. */
const migrations: Record<string, Migration> = {
  "0001-initial": initial,
  "0002-key-lifecycle": keyLifecycle,
  "0003-access": access,
  "0004-audit": audit,
  "0005-audit-retention-and-sinks": auditRetentionAndSinks,
};

/**
 * Brings the schema to the newest version that this release knows. Safe when several processes
 * start at once: one migrates under a lock, the others wait and find it done.
 * @throws Error when the schema is newer than this release; nothing is changed then
 */
export async function migrateToLatest(db: Database): Promise<void> {
  const provider = { getMigrations: async () => migrations };
  const migrator = new Migrator({
    db: db as unknown as Kysely<unknown>,
    provider,
    migrationTableName: "schema_migrations",
    migrationLockTableName: "schema_migration_lock",
  });
  await refuseNewer(db);
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    await refuseNewer(db);
    throw error;
  }
}

async function refuseNewer(db: Database): Promise<void> {
  const known = await sql<{ exists: boolean }>`
    select to_regclass('schema_migrations') is not null as exists`.execute(db);
  if (known.rows[0]?.exists !== true) return;
  const applied = await sql<{ name: string }>`select name from schema_migrations`.execute(db);
  const unknown = applied.rows.map((row) => row.name).filter((name) => !(name in migrations));
  if (unknown.length === 0) return;
  throw new Error(
    `The database's schema is newer than this release: it has ${unknown.sort().join(", ")}, ` +
      `and this release ends at ${Object.keys(migrations).at(-1)}. ` +
      "Start the release that migrated it, or a later one.",
  );
}
