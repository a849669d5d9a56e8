import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/embedded/postgres.ts";

let folder: string;
let running: EmbeddedPostgres[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pdaas-embedded-"));
  running = [];
});
afterEach(async () => {
  for (const postgres of running) await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres") });
  running.push(postgres);
  return postgres;
}

async function query(postgres: EmbeddedPostgres, text: string): Promise<unknown[]> {
  const client = new pg.Client(postgres.poolConfig);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test("what was stored is there after a stop", async () => {
  const first = await start();
  await query(first, "create table kept as select 7 as number");
  await first.stop();
  expect(await query(await start(), "select number from kept")).toEqual([{ number: 7 }]);
});

test("what was acknowledged is there after the server was killed", async () => {
  const first = await start();
  await query(first, "create table kept as select 7 as number");
  const [pid] = (await readFile(join(first.dataDir, "postmaster.pid"), "utf8")).split("\n");
  process.kill(Number(pid), "SIGKILL");
  await first.stop();
  expect(await query(await start(), "select number from kept")).toEqual([{ number: 7 }]);
});

test("it listens on no network address, and another start on the folder is refused", async () => {
  const first = await start();
  expect(await query(first, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
  await expect(start()).rejects.toThrow(/PDAAS_DATA_DIR/);
  expect(await query(first, "select 1 as alive")).toEqual([{ alive: 1 }]);
});
