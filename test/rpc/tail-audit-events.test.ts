import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { AuditOutcome, AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { Cable } from "../harness/cable.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { addOrganization } from "../harness/organization.ts";
import { ServiceProcess } from "../harness/process.ts";
import { masterKey, type TestKey, TestService } from "../harness/service.ts";
import { Tail } from "../harness/tail.ts";

const grpc = "connect-node gRPC, gRPC server";
const http = "connect-node Connect binary";

const cleanup = new AsyncDisposableStack();
let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = cleanup.use(await TestService.start());
  key = await service.issueKey(["AuditEvents.read"]);
});
afterAll(() => cleanup.disposeAsync());

const openTail = (request: ConstructorParameters<typeof Tail>[1], at = service) =>
  new Tail(signedTransport(grpc, at, key), request);

async function startProcess(): Promise<ServiceProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "pdaas-tail-"));
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const started = await ServiceProcess.start({
    PDAAS_DATA_DIR: dataDir,
    PDAAS_DATABASE_URL: service.database.url,
    PDAAS_REDIS_URL: inject("redisUrl"),
    PDAAS_MASTER_KEY: masterKey,
  });
  cleanup.defer(() => started.kill());
  return started;
}

/** What a client has that goes on wherever it can, after whatever has ended a stream. */
class Journey {
  readonly sequences: number[] = [];
  readonly ids: string[] = [];
  streams = 0;
  #position = 0n;
  #stream = new AbortController();

  /** @param place where to go on */
  async readUntil(count: number, place: () => Transport): Promise<void> {
    while (this.sequences.length < count) {
      this.streams++;
      await this.#read(count, place()).catch(() => delay(50));
    }
  }

  /** Breaks off the stream under way. */
  breakOff(): void {
    this.#stream.abort();
  }

  async #read(count: number, made: Transport): Promise<void> {
    this.#stream = new AbortController();
    const request = { afterSequence: this.#position, action: "Numbered" };
    const { signal } = this.#stream;
    const stream = createClient(AuditService, made).tailAuditEvents(request, { signal });
    for await (const { auditEvent, sequence } of stream) {
      this.#position = sequence;
      if (auditEvent === undefined) continue;
      this.sequences.push(Number(sequence));
      this.ids.push(auditEvent.id);
      if (this.sequences.length === count) return;
    }
  }
}

test("through reconnects and restarts of a replica, all of 10,000 events come, once and in order", async () => {
  const total = 10_000;
  let replica = await startProcess();
  let turn = 0;
  const journey = new Journey();
  const read = journey.readUntil(total, () => {
    turn++;
    if (turn % 3 === 0) return signedTransport(http, service, key);
    return signedTransport(turn % 3 === 1 ? grpc : http, replica, key);
  });
  const written = Promise.all([0, 1, 2, 3].map((lane) => writeLane(lane, total / 4)));
  const reached = (count: number) =>
    expect.poll(() => journey.sequences.length, { timeout: 200_000 }).toBeGreaterThanOrEqual(count);

  await reached(1_000);
  await replica.kill();
  replica = await startProcess();
  await reached(4_000);
  journey.breakOff();
  await reached(5_000);
  const { streams } = journey;
  while (turn % 3 === 0) {
    journey.breakOff();
    await expect.poll(() => journey.streams).toBeGreaterThan(streams);
  }
  await replica.stop();
  replica = await startProcess();
  await Promise.all([read, written]);
  await replica.stop();

  const stored = await service.database.query<{ sequence: string; id: string }>(
    "select sequence, id from audit_entries where action = 'Numbered' order by sequence",
  );
  expect(stored).toHaveLength(total);
  expect(journey.sequences).toEqual(stored.map(({ sequence }) => Number(sequence)));
  expect(journey.ids).toEqual(stored.map(({ id }) => id));
  expect(new Set(journey.ids).size).toBe(total);
  expect(journey.streams).toBeGreaterThan(3);
}, 300_000);

/** Writes events, some of them in transactions that commit later than others which began after them. */
async function writeLane(lane: number, count: number): Promise<void> {
  const { db } = service.service.app;
  const late: Promise<void>[] = [];
  for (let i = 0; i < count; i += 5) {
    const event = { action: "Numbered", resourceId: `event-${lane}-${i}` };
    await recordEvents(service, 4, event);
    const last = db.transaction().execute(async (tx) => {
      await recordEvents(service, 1, { ...event, db: tx });
      if (i % 100 === 0) await delay(200);
    });
    if (i % 100 === 0) late.push(last);
    else await last;
  }
  await Promise.all(late);
}

test("what comes can be held to each filter, and the position goes on without events", async () => {
  await recordEvents(service, 3, { action: "Filtered", resourceId: "acc-filtered" });
  await recordEvents(service, 1, { action: "Other", address: "192.0.2.7", requestId: "req_other" });
  await service.auditRows("action = 'Other'", [], 1);
  const wanted: [object, string[]][] = [
    [{ action: "Filtered" }, ["Filtered", "Filtered", "Filtered"]],
    [{ resourceId: "acc-filtered" }, ["Filtered", "Filtered", "Filtered"]],
    [{ address: "192.0.2.7" }, ["Other"]],
    [{ requestId: "req_other" }, ["Other"]],
    [{ action: "Other", address: "127.0.0.1" }, []],
    [{ principalId: key.serviceAccountId }, []],
    [{ action: "IssueApiKey", outcome: AuditOutcome.REFUSED }, []],
    [{ action: "IssueApiKey", outcome: AuditOutcome.OK }, ["IssueApiKey"]],
  ];
  for (const [filter, actions] of wanted) {
    await using tail = openTail({ afterSequence: 0n, ...filter });
    await expect.poll(() => tail.actions).toEqual(actions);
  }
});

test("without a position, only what comes from now on", async () => {
  await using tail = openTail({ action: "Later" });
  await expect.poll(() => tail.messages).toBe(1);
  const { position } = tail;
  await recordEvents(service, 1, { action: "Later" });
  await expect.poll(() => tail.actions).toEqual(["Later"]);
  expect(tail.sequences[0]).toBeGreaterThan(Number(position));
});

test("nobody sees the log of another organization", async () => {
  await addOrganization(service.database, "other");
  const [other] = await service.database.query<{ id: string }>(
    "select id from organizations where slug = 'other'",
  );
  await using tail = openTail({ action: "Theirs" });
  await expect.poll(() => tail.messages).toBe(1);
  const theirs = { service: service.service, organizationId: other?.id ?? "" };
  await recordEvents(theirs, 1, { action: "Theirs" });
  await service.auditRows("organization_id = $1", [other?.id], 1);
  await recordEvents(service, 1, { action: "Theirs" });
  await expect.poll(() => tail.actions).toEqual(["Theirs"]);
  const [ours] = await service.auditRows(
    "organization_id = $1 and action = 'Theirs'",
    [service.organizationId],
    1,
  );
  expect(tail.ids).toEqual([ours?.id]);
});

test("all tails of a process share one connection that listens, which is replaced when it breaks", async () => {
  const listening = () =>
    service.database.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and query = 'listen pdaas_audit'",
    );
  const tails = Array.from({ length: 5 }, () => openTail({ action: "Heard" }));
  await expect.poll(() => tails.every(({ messages }) => messages > 0)).toBe(true);
  const [first, ...more] = await listening();
  expect(more).toEqual([]);
  await service.database.query("select pg_terminate_backend($1)", [first?.pid]);
  // Notified or not, nothing is missed.
  await recordEvents(service, 1, { action: "Heard" });
  await expect.poll(() => tails.every(({ actions }) => actions.length === 1)).toBe(true);
  await expect.poll(async () => (await listening()).map(({ pid }) => pid)).not.toEqual([]);
  const [second] = await listening();
  expect(second?.pid).not.toBe(first?.pid);
  await Promise.all(tails.map((tail) => tail.leave()));
});

test("while there is nothing, there are signs of life", async () => {
  await using tail = openTail({ action: "Nothing" });
  await expect.poll(() => tail.messages, { timeout: 40_000 }).toBe(2);
  expect(tail.actions).toEqual([]);
}, 60_000);

test("a log that cannot be read gives no sign of life: the stream ends, and is resumed", async () => {
  const cable = await Cable.lay(inject("postgresSocket"));
  cleanup.defer(() => cable.remove());
  const far = await service.replica({
    PDAAS_DATABASE_URL: cable.url(service.database.poolConfig.database as string),
  });
  const made = signedTransport(http, { httpUrl: far.httpUrl, grpcUrl: "" }, key);
  const tail = new Tail(made, { action: "After" });
  await expect.poll(() => tail.messages).toBe(1);
  await cable.cut();
  expect(await refusalOf(tail.ended)).toMatchObject({
    code: "unavailable",
    reason: "DATABASE_UNAVAILABLE",
  });
  await cable.mend();
  await recordEvents(service, 1, { action: "After" });
  await using next = new Tail(made, { action: "After", afterSequence: tail.position as bigint });
  await expect.poll(() => next.actions, { timeout: 20_000 }).toEqual(["After"]);
}, 60_000);
