import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Client } from "pdaas";
import { CompactRange, leafHash, openNote, parseCheckpoint, verifyConsistency } from "pdaas/audit";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { AuditService, AuditTree } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { signedTransport } from "../harness/clients.ts";
import { createDatabase, type TestDatabase } from "../harness/database.ts";
import { ServiceProcess } from "../harness/process.ts";
import { administrator, masterKey, type TestKey } from "../harness/service.ts";

// The process that sequences the log is killed while all of them write to it.

/** How often; 100 times takes minutes. */
const killCount = Number(process.env.PDAAS_TEST_KILLS ?? 3);
const names = ["replica-0", "replica-1", "replica-2"];
const callersOfReplica = 4;

const cleanup = new AsyncDisposableStack();
const replicas = new Map<string, ServiceProcess>();
let database: TestDatabase;
let key: TestKey;

beforeAll(async () => {
  database = await createDatabase();
  cleanup.defer(() => database.drop());
  cleanup.defer(async () => {
    await Promise.all([...replicas.values()].map((replica) => replica.kill()));
  });
  await start("replica-0");
  await Promise.all(names.slice(1).map(start));
  key = await issueKey();
}, 180_000);
afterAll(() => cleanup.disposeAsync());

/** Starts a replica whose connections bear its name. */
async function start(name: string): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "pdaas-kill-"));
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const replica = await ServiceProcess.start({
    PDAAS_DATA_DIR: dataDir,
    PDAAS_DATABASE_URL: `${database.url}&application_name=${name}`,
    PDAAS_REDIS_URL: inject("redisUrl"),
    PDAAS_MASTER_KEY: masterKey,
    PDAAS_FIRST_ADMIN_PASSWORD: administrator.password,
  });
  replicas.set(name, replica);
}

async function issueKey(): Promise<TestKey> {
  const baseUrl = replicas.get("replica-0")?.httpUrl ?? "";
  const admin = new Client({ baseUrl, ...administrator });
  cleanup.defer(() => admin.close());
  const permissions = ["*"];
  const account = await admin.serviceAccounts.create({
    accountId: "acc-123",
    name: "Load",
    permissions,
  });
  const { id, ...issued } = await admin.serviceAccounts.issueKey({ serviceAccountId: account.id });
  const { accessKey, secretKey } = issued;
  return { accessKey, secretKey, apiKeyId: id, serviceAccountId: account.id };
}

function transportTo(name: string) {
  const { httpUrl = "", grpcUrl = "" } = replicas.get(name) ?? {};
  return signedTransport("connect-node gRPC, gRPC server", { httpUrl, grpcUrl }, key);
}

/** Makes service accounts by a replica until it is stopped, each by one call that is not repeated. */
class Load {
  /** Those that were answered. */
  readonly made: string[] = [];
  #isStopped = false;
  readonly #running: Promise<void>[];

  constructor(name: string) {
    this.#running = Array.from({ length: callersOfReplica }, () => this.#run(name));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #run(name: string): Promise<void> {
    let replica = replicas.get(name);
    let client = createClient(ServiceAccountService, transportTo(name));
    while (!this.#isStopped) {
      if (replica !== replicas.get(name)) {
        replica = replicas.get(name);
        client = createClient(ServiceAccountService, transportTo(name));
      }
      try {
        const request = { accountId: "acc-123", name: "Made under load" };
        const { serviceAccount } = await client.createServiceAccount(request);
        this.made.push(serviceAccount?.id ?? "");
      } catch {
        await setTimeout(20);
      }
    }
  }
}

async function leader(): Promise<string | undefined> {
  const [row] = await database.query<{ name: string }>(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and objid = x'70646162'::int::oid and granted
       and pg_stat_activity.datname = current_database()`,
  );
  return row?.name;
}

/** The size and the root of the instance's tree, as they are signed. */
async function checkpoint() {
  const [row] = await database.query<{ checkpoint: string }>("select checkpoint from audit_log");
  return parseCheckpoint(`${(row?.checkpoint ?? "").split("\n\n")[0]}\n`);
}

async function sequenced(): Promise<number> {
  const [row] = await database.query<{ size: string }>("select sum(size) as size from audit_trees");
  return Number(row?.size);
}

test(
  "whoever sequences the log may be killed: nothing is lost, doubled or changed",
  async () => {
    const loads = names.map((name) => new Load(name));
    const checkpoints = [await checkpoint()];
    for (let i = 0; i < killCount; i++) {
      await setTimeout(Math.random() * 400);
      await expect.poll(leader, { timeout: 20_000 }).toBeDefined();
      const name = (await leader()) ?? "";
      await replicas.get(name)?.kill();
      checkpoints.push(await checkpoint());
      const before = await sequenced();
      // One of the others takes over meanwhile.
      const starting = start(name);
      await expect.poll(sequenced, { timeout: 20_000 }).toBeGreaterThan(before);
      await starting;
    }
    await Promise.all(loads.map((load) => load.stop()));
    const waiting = () => database.query("select id from audit_pending");
    await expect.poll(waiting, { timeout: 30_000 }).toEqual([]);
    checkpoints.push(await checkpoint());

    await expectWholeLog(loads.flatMap(({ made }) => made));
    await expectOnlyGrown(checkpoints);
  },
  120_000 + killCount * 60_000,
);

async function expectWholeLog(made: string[]): Promise<void> {
  const rows = await database.query<{ sequence: string; entry: Buffer; resource_id: string }>(
    "select sequence, entry, resource_id from audit_entries order by sequence",
  );
  expect(rows.map(({ sequence }) => Number(sequence))).toEqual(rows.map((_, i) => i + 1));
  const times = Map.groupBy(rows, (row) => row.resource_id);
  expect(made.length).toBeGreaterThan(killCount * 10);
  expect(made.filter((id) => times.get(id)?.length !== 1)).toEqual([]);
  const stored = await database.query<{ id: string }>(
    "select id from service_accounts where name = 'Made under load'",
  );
  // Some were made, and their answer was lost.
  expect(stored.length).toBeGreaterThanOrEqual(made.length);
  expect(stored.filter(({ id }) => times.get(id)?.length !== 1)).toEqual([]);
  const range = CompactRange.of(0, []);
  for (const { entry } of rows) range.append(leafHash(entry));
  const [tree] = await database.query<{ hashes: Buffer }>("select hashes from audit_trees");
  expect(tree?.hashes).toEqual(Buffer.concat(range.hashes));
}

async function expectOnlyGrown(
  checkpoints: readonly { size: number; root: Buffer }[],
): Promise<void> {
  const audit = createClient(AuditService, transportTo("replica-0"));
  const { head, verifierKey } = await audit.getCheckpoint({});
  expect(openNote(head?.checkpoint ?? "", [verifierKey]).signers).toHaveLength(1);
  const [first] = checkpoints;
  const pairs = checkpoints.slice(1).map((now, i) => [checkpoints[i], now] as const);
  for (const [before, now] of [...pairs, [first, checkpoints.at(-1)] as const]) {
    if (before === undefined || now === undefined) throw new Error("a checkpoint is missing");
    const sizes = { oldSize: BigInt(before.size), newSize: BigInt(now.size) };
    const { hashes } = await audit.getConsistencyProof({ tree: AuditTree.INSTANCE, ...sizes });
    expect(verifyConsistency(before.size, before.root, now.size, now.root, hashes)).toBe(true);
  }
}
