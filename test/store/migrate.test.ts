import { readFileSync } from "node:fs";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/store/database.ts";
import { migrateToLatest } from "../../src/store/migrate.ts";

const host = inject("postgresSocket");
const server = { host, user: "pdaas", database: "postgres" };
const config = { ...server, database: "test_migrations" };
let admin: pg.Client;

beforeAll(async () => {
  admin = new pg.Client(server);
  await admin.connect();
  await admin.query("create database test_migrations");
});
afterAll(async () => {
  await admin.query("drop database test_migrations with (force)");
  await admin.end();
});

test("several processes that start at once migrate once", async () => {
  const databases = Array.from({ length: 5 }, () => openDatabase(config));
  await Promise.all(databases.map(migrateToLatest));
  const client = new pg.Client(config);
  await client.connect();
  const { rows } = await client.query("select name from schema_migrations");
  await client.end();
  expect(rows).toEqual([
    { name: "0001-initial" },
    { name: "0002-key-lifecycle" },
    { name: "0003-access" },
    { name: "0004-audit" },
    { name: "0005-audit-retention-and-sinks" },
  ]);
  await Promise.all(databases.map((db) => db.destroy()));
});

test("a schema that is newer than the release is left alone", async () => {
  const client = new pg.Client(config);
  await client.connect();
  await client.query("insert into schema_migrations values ('9999-later', now())");
  const db = openDatabase(config);
  await expect(migrateToLatest(db)).rejects.toThrow(/newer than this release: it has 9999-later/);
  await client.query("delete from schema_migrations where name = '9999-later'");
  await migrateToLatest(db);
  await db.destroy();
  await client.end();
});

test("the schema is as it was agreed", async () => {
  const client = new pg.Client(config);
  await client.connect();
  const { rows } = await client.query<{ line: string }>(schemaQuery);
  await client.end();
  const golden = new URL("../golden/schema.txt", import.meta.url);
  const text = `${rows.map(({ line }) => line).join("\n")}\n`;
  expect(text).toBe(readFileSync(golden, "utf8"));
});

/** Every column, constraint and index, in an order that does not change. */
const schemaQuery = `
  select line from (
    select format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  case when a.attnotnull then ' not null' else '' end,
                  coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
    union all
    select format('%s constraint %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
    union all
    select indexdef from pg_indexes where schemaname = 'public'
  ) as lines order by line collate "C"`;
