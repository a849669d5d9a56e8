import { type AuditVerification, Client, verifyAuditExport } from "pdaas";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Service } from "../../src/service.ts";
import { administrator, TestService } from "../harness/service.ts";

// The whole database is put back to what it was, by somebody who has a copy of it: the service goes on from
// there with its own key, and only who has kept a checkpoint can tell.

let harness: TestService;
let running: Service;
let admin: Client;

beforeEach(async () => {
  harness = await TestService.start();
  running = harness.service;
  admin = harness.admin;
});
afterEach(() => harness[Symbol.asyncDispose]());

async function change(names: string[]): Promise<void> {
  for (const accountId of names) await admin.accounts.create({ accountId });
  await harness.auditRows("resource_id = any($1)", [names], names.length);
}

/** Runs statements while nobody is connected to the database. */
async function whileStopped(...statements: string[]): Promise<void> {
  await admin.close();
  await running.close();
  const { user, host, database } = harness.database.poolConfig;
  const client = new pg.Client({ user, host, database: "postgres" });
  await client.connect();
  await client.query(
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1",
    [database],
  );
  for (const statement of statements) await client.query(statement);
  await client.end();
  running = await harness.replica();
  admin = new Client({ baseUrl: running.httpUrl, ...administrator });
}

async function verified(checkpoint: string, verifierKey: string): Promise<AuditVerification> {
  const chunks = await Array.fromAsync(admin.auditEvents.export());
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\n");
  const checkpoints = [{ name: "saved.json", text: checkpoint }];
  return verifyAuditExport({ lines, verifierKeys: [verifierKey], checkpoints });
}

test("a database that is put back to yesterday's copy is rolled back, and forked once it goes on", async () => {
  const { database } = harness.database.poolConfig;
  const yesterday = `${database}_yesterday`;
  await change(["first", "second"]);
  await whileStopped(`create database ${yesterday} template ${database}`);
  await change(["third", "fourth", "fifth", "sixth"]);
  const { text, verifierKey, size } = await admin.auditEvents.checkpoint();
  expect(await verified(text, verifierKey)).toMatchObject({ isComplete: true, findings: [] });

  await whileStopped(
    `drop database ${database}`,
    `create database ${database} template ${yesterday}`,
    `drop database ${yesterday}`,
  );
  const back = await verified(text, verifierKey);
  expect(back.isComplete).toBe(false);
  expect(back.findings.map(({ kind }) => kind)).toEqual(["rolled-back"]);
  expect(back.findings[0]?.message).toMatch(`saved.json is of ${size} events, the export's of `);

  await change(["third", "fourth", "fifth", "seventh", "eighth"]);
  const forked = await verified(text, verifierKey);
  expect(forked.to).toBeGreaterThan(size);
  expect(forked.findings.map(({ kind }) => kind)).toEqual(["forked"]);
});
