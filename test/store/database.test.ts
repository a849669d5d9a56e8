import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { Cable } from "../harness/cable.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const openIdle = async (
  config: { host?: string },
  told: (error: Error) => void,
): Promise<Database> => {
  const db = openDatabase({ ...database.poolConfig, max: 1, ...config }, told);
  await sql`select 1`.execute(db);
  return db;
};

test("a connection that breaks while idle is told of once, without the connection, and replaced", async () => {
  const told: unknown[] = [];
  await using db = await openIdle({}, (error) => told.push({ ...error }));
  await database.terminateConnections();
  await expect.poll(() => told.length).toBe(1);
  const { rows } = await sql`select 1 as found`.execute(db);
  expect(rows).toEqual([{ found: 1 }]);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ code: "57P01" });
  expect(told[0]).not.toHaveProperty("client");
});

test("a connection that the server ends while the pool does is not told of", async () => {
  const cable = await Cable.lay(database.poolConfig.host as string, { delayMs: 500 });
  const told: Error[] = [];
  const db = await openIdle({ host: cable.folder }, (error) => told.push(error));
  await db.destroy();
  // The server has not heard of it yet.
  await database.terminateConnections();
  await cable.remove();
  expect(told).toEqual([]);
});
