import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { patientStatement } from "../../src/store/connection.ts";
import { type Database, openDatabase, type Transaction } from "../../src/store/database.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createDatabase();
  // Of one connection, so that what is left on it meets the next test.
  db = openDatabase({ ...database.poolConfig, max: 1 });
  await sql`create table numbers (number integer primary key check (number > 0))`.execute(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});
beforeEach(() => sql`truncate numbers`.execute(db));

const insertWithNext = patientStatement("insert into numbers (number) values ($1)");
const insertNow = (tx: Transaction) => sql`insert into numbers (number) values (1)`.execute(tx);
const numbers = async (from: Database | Transaction = db) =>
  (
    await sql<{ number: number }>`select number from numbers order by number`.execute(from)
  ).rows.map(({ number }) => number);

test("what waits is executed before the next statement, in its turn", async () => {
  const seen = await db.transaction().execute(async (tx) => {
    await insertWithNext(tx, [1]);
    await insertWithNext(tx, [2]);
    return numbers(tx);
  });
  expect(seen).toEqual([1, 2]);
});

test("what waits is committed with the rest", async () => {
  await db.transaction().execute(async (tx) => {
    await insertNow(tx);
    await insertWithNext(tx, [2]);
  });
  expect(await database.query("select number from numbers")).toEqual([
    { number: 1 },
    { number: 2 },
  ]);
});

test("a commit fails when what waited for it has failed, and nothing is changed", async () => {
  const changing = db.transaction().execute(async (tx) => {
    await insertNow(tx);
    await insertWithNext(tx, [-2]);
  });
  await expect(changing).rejects.toMatchObject({ code: "23514" });
  expect(await numbers()).toEqual([]);
});

test("a statement fails when what waited for it has failed", async () => {
  const changing = db.transaction().execute(async (tx) => {
    await insertWithNext(tx, [-1]);
    await expect(numbers(tx)).rejects.toMatchObject({ code: "23514" });
    return "went on";
  });
  await expect(changing).rejects.toThrow();
  expect(await numbers()).toEqual([]);
});

test("what waits is undone with a transaction that is", async () => {
  const changing = db.transaction().execute(async (tx) => {
    await insertWithNext(tx, [1]);
    throw new Error("changed my mind");
  });
  await expect(changing).rejects.toThrow("changed my mind");
  expect(await numbers()).toEqual([]);
});

test("a transaction without a statement leaves its connection as it was", async () => {
  await db.transaction().execute(async () => {});
  await numbers();
  const [row] = await database.query(
    `select state from pg_stat_activity
     where application_name = 'pdaas' and datname = current_database()`,
  );
  expect(row).toEqual({ state: "idle" });
});

test("a connection that ends with the commit leaves nothing behind, and is replaced", async () => {
  const changing = db.transaction().execute(async (tx) => {
    await insertWithNext(tx, [1]);
    await database.terminateConnections();
  });
  await expect(changing).rejects.toThrow();
  expect(await numbers()).toEqual([]);
});
