import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { inspect } from "node:util";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuditSinkService } from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { addOrganization } from "../harness/organization.ts";
import { Receiver } from "../harness/receiver.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

const sinks = () =>
  createClient(AuditSinkService, signedTransport("connect-node gRPC, gRPC server", service, key));

/** A sink of a receiver, which knows its secret. @returns its identifier */
async function sinkOf(receiver: Receiver, request: object = {}): Promise<string> {
  const { auditSink, secretKey } = await sinks().createAuditSink({ url: receiver.url, ...request });
  receiver.secretKey = secretKey;
  return auditSink?.id ?? "";
}

async function get(auditSinkId: string) {
  const { auditSink } = await sinks().getAuditSink({ auditSinkId });
  if (auditSink === undefined) throw new Error("no sink");
  return auditSink;
}

const failedDeliveries = async (auditSinkId: string) =>
  (await sinks().listFailedDeliveries({ auditSinkId })).failedDeliveries;

/** Has what is tried later tried now, as if it had been tried so often before. */
const hurry = (id: string, attempts: number) =>
  service.database.query(
    "update audit_sinks set attempts = $2, next_attempt_time = now() where id = $1",
    [id, attempts],
  );

const remove = (auditSinkId: string) => sinks().deleteAuditSink({ auditSinkId });
const patience = { timeout: 10_000 };

test("every event comes in the order of the log, signed with the sink's secret", async () => {
  await using receiver = await Receiver.start();
  await recordEvents(service, 250);
  await service.auditRows("reason = 'TEST'", [], 250);
  const id = await sinkOf(receiver, { afterSequence: 0n });
  const groups = await service.issueKey([]);
  const [last] = await service.auditRows("resource_id = $1", [groups.apiKeyId], 1);
  const end = Number((last as unknown as { sequence: string }).sequence);
  await expect.poll(() => receiver.sequences.at(-1), patience).toBe(end);
  expect(receiver.sequences).toEqual(Array.from({ length: end }, (_, at) => at + 1));
  expect(new Set(receiver.posts.map(({ keyId }) => keyId))).toEqual(new Set([id]));
  const [{ delivery } = { delivery: undefined }] = receiver.posts;
  expect(delivery).toMatchObject({ auditSinkId: id, organizationId: service.organizationId });
  expect(delivery?.auditEvents[0]?.action).toBe("CreateFirstOrganization");
  await expect.poll(async () => (await get(id)).deliveredSequence).toBe(BigInt(end));
  await remove(id);
});

test("without a place to begin it begins with what comes next, and gets what it wants", async () => {
  await using receiver = await Receiver.start();
  const id = await sinkOf(receiver, {
    outcomes: [AuditOutcome.REFUSED],
    actions: ["GetAccount", "Login"],
  });
  await recordEvents(service, 2, { action: "GetAccount" });
  await recordEvents(service, 2, { action: "ListAccounts" });
  await service.admin.serviceAccounts.create({ accountId: "acc-123", name: "Not refused" });
  await recordEvents(service, 1, { action: "Login" });
  await expect.poll(() => receiver.sequences.length, patience).toBe(3);
  const events = receiver.posts.flatMap(({ delivery }) => delivery.auditEvents);
  expect(events.map(({ action }) => action)).toEqual(["GetAccount", "GetAccount", "Login"]);
  await remove(id);
});

test("a receiver that would switch protocols has refused, and holds nothing up", async () => {
  await using receiver = await Receiver.start();
  receiver.behaviour = "upgrade";
  const auditSinkId = await sinkOf(receiver, { outcomes: [AuditOutcome.REFUSED] });
  await recordEvents(service, 1);
  await expect.poll(() => receiver.posts.length, patience).toBeGreaterThan(1);
  await sinks().deleteAuditSink({ auditSinkId });
});

test("a failing receiver is tried again, and what it does not take is put aside", async () => {
  await using receiver = await Receiver.start();
  receiver.behaviour = 503;
  const id = await sinkOf(receiver, { outcomes: [AuditOutcome.REFUSED] });
  await recordEvents(service, 2, { reason: "FIRST" });
  await expect.poll(async () => (await get(id)).attempts, patience).toBeGreaterThan(1);
  const failing = await get(id);
  expect(failing.lastError).toBe("The answer had the status 503.");
  expect(failing.nextAttemptTime).toBeDefined();
  expect(await failedDeliveries(id)).toEqual([]);
  await hurry(id, 11);
  await expect.poll(() => failedDeliveries(id), patience).toHaveLength(1);
  const [failed] = await failedDeliveries(id);
  expect(failed).toMatchObject({ attempts: 12, lastError: failing.lastError, retrying: false });
  expect(receiver.posts.length).toBeGreaterThan(2);

  // It goes on with what follows,
  receiver.behaviour = 200;
  receiver.posts.length = 0;
  await recordEvents(service, 1, { reason: "SECOND" });
  await expect.poll(() => receiver.sequences.length, patience).toBe(1);
  expect(receiver.posts[0]?.delivery.auditEvents[0]?.reason).toBe("SECOND");
  // and delivers the others when it is asked to.
  const { failedDelivery } = await sinks().retryFailedDelivery({
    failedDeliveryId: failed?.id ?? "",
  });
  expect(failedDelivery?.retrying).toBe(true);
  await expect.poll(() => failedDeliveries(id), patience).toEqual([]);
  const reasons = receiver.posts.flatMap(({ delivery }) =>
    delivery.auditEvents.map(({ reason }) => reason),
  );
  expect(reasons).toEqual(["SECOND", "FIRST", "FIRST"]);
  await remove(id);
});

test("a retry that fails is listed again, with why", async () => {
  await using receiver = await Receiver.start();
  receiver.behaviour = 500;
  const id = await sinkOf(receiver, { actions: ["Retried"] });
  await recordEvents(service, 1, { action: "Retried" });
  await expect.poll(async () => (await get(id)).attempts, patience).toBe(1);
  await hurry(id, 11);
  await expect.poll(() => failedDeliveries(id), patience).toHaveLength(1);
  receiver.behaviour = 418;
  const [failed] = await failedDeliveries(id);
  await sinks().retryFailedDelivery({ failedDeliveryId: failed?.id ?? "" });
  await expect.poll(async () => (await failedDeliveries(id))[0]?.attempts, patience).toBe(13);
  expect((await failedDeliveries(id))[0]).toMatchObject({
    lastError: "The answer had the status 418.",
    retrying: false,
  });
  await remove(id);
});

test("redirects are not followed", async () => {
  await using elsewhere = await Receiver.start();
  await using receiver = await Receiver.start();
  receiver.behaviour = { redirectTo: elsewhere.url };
  const id = await sinkOf(receiver, { actions: ["Redirected"] });
  await recordEvents(service, 1, { action: "Redirected" });
  await expect.poll(async () => (await get(id)).attempts, patience).toBeGreaterThan(0);
  expect((await get(id)).lastError).toContain("307, a redirect, which is not followed");
  expect(elsewhere.posts).toEqual([]);
  await remove(id);
});

test("a receiver that hangs, or never ends its answer, holds up neither itself nor others", async () => {
  await using hanging = await Receiver.start();
  await using endless = await Receiver.start();
  await using good = await Receiver.start();
  hanging.behaviour = "hang";
  endless.behaviour = "endless";
  const slow = await sinkOf(hanging, { actions: ["Slow"] });
  const without = await sinkOf(endless, { actions: ["Slow"] });
  const quick = await sinkOf(good, { actions: ["Slow"] });
  await recordEvents(service, 1, { action: "Slow" });
  await expect.poll(() => good.sequences.length, patience).toBe(1);
  // Nothing but the status is read.
  await expect.poll(async () => (await get(without)).attempts, patience).toBe(0);
  await expect.poll(() => endless.sequences.length, patience).toBe(1);
  await expect
    .poll(async () => (await get(slow)).lastError, { timeout: 20_000 })
    .toContain("no answer within 10 seconds");
  for (const id of [slow, without, quick]) await remove(id);
});

test("nobody who listens is told as that", async () => {
  const { auditSink } = await sinks().createAuditSink({
    url: "http://127.0.0.1:1/",
    actions: ["Nobody"],
  });
  const id = auditSink?.id ?? "";
  await recordEvents(service, 1, { action: "Nobody" });
  await expect
    .poll(async () => (await get(id)).lastError, patience)
    .toBe("There was no answer: ECONNREFUSED.");
  await remove(id);
});

test("what is written while a sink is off comes when it is on again", async () => {
  await using receiver = await Receiver.start();
  const id = await sinkOf(receiver, { actions: ["Paused"] });
  const set = (enabled: boolean) =>
    sinks().updateAuditSink({ auditSinkId: id, enabled, updateMask: { paths: ["enabled"] } });
  expect((await set(false)).auditSink?.enabled).toBe(false);
  await recordEvents(service, 1, { action: "Paused" });
  await service.auditRows("action = 'Paused'", [], 1);
  expect(receiver.posts).toEqual([]);
  await set(true);
  await expect.poll(() => receiver.sequences.length, patience).toBe(1);
  await remove(id);
});

test("the secret is handed out once, kept sealed, and replaced", async () => {
  await using receiver = await Receiver.start();
  const request = { url: receiver.url, actions: ["Rotated"], requestId: "request-1" };
  const first = await sinks().createAuditSink(request);
  const again = await sinks().createAuditSink(request);
  expect(again).toEqual(first);
  const auditSinkId = first.auditSink?.id ?? "";
  const { secretKey, auditSink } = await sinks().rotateAuditSinkSecret({ auditSinkId });
  expect(secretKey).not.toBe(first.secretKey);
  expect(auditSink?.id).toBe(auditSinkId);
  const everything = async () => {
    const rows = await service.database.query("select * from audit_sinks");
    const entries = await service.database.query("select * from audit_entries");
    return inspect([rows, entries, service.log, await get(auditSinkId)], {
      depth: 9,
      maxArrayLength: null,
    });
  };
  receiver.secretKey = first.secretKey;
  await recordEvents(service, 1, { action: "Rotated" });
  await expect.poll(() => receiver.posts.length, patience).toBe(1);
  expect(receiver.posts[0]?.keyId).toBeUndefined();
  receiver.secretKey = secretKey;
  await recordEvents(service, 1, { action: "Rotated" });
  await expect.poll(() => receiver.posts.length, patience).toBe(2);
  expect(receiver.posts[1]?.keyId).toBe(auditSinkId);
  const text = await everything();
  for (const secret of [first.secretKey, secretKey]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString("hex"));
  }
  await remove(auditSinkId);
});

test("a sink whose secret cannot be opened is left alone for a while, and holds up no other", async () => {
  await using receiver = await Receiver.start();
  await using good = await Receiver.start();
  const broken = await sinkOf(receiver, { actions: ["Broken"] });
  const id = await sinkOf(good, { actions: ["Broken"] });
  await service.database.query("update audit_sinks set sealed_secret = 'x' where id = $1", [
    broken,
  ]);
  await recordEvents(service, 1, { action: "Broken" });
  const faults = () => service.log.filter((line) => line.includes("unknown format"));
  await expect.poll(() => faults().length, patience).toBe(1);
  await expect.poll(() => good.sequences.length, patience).toBe(1);
  expect(receiver.posts).toEqual([]);
  expect(faults()).toHaveLength(1);
  for (const each of [broken, id]) await remove(each);
});

test("several processes deliver to a sink one at a time, and each event once", async () => {
  await using receiver = await Receiver.start();
  const others = [await service.replica(), await service.replica()];
  const id = await sinkOf(receiver, { actions: ["Shared"] });
  for (let round = 0; round < 5; round++) await recordEvents(service, 150, { action: "Shared" });
  await expect.poll(() => receiver.sequences.length, { timeout: 20_000 }).toBe(750);
  expect(receiver.sequences).toEqual(receiver.sequences.toSorted((a, b) => a - b));
  expect(new Set(receiver.sequences).size).toBe(750);
  await Promise.all(others.map((each) => each.close()));
  await remove(id);
});

test.each([
  "http://example.com/",
  "http://192.0.2.1/",
  "ftp://127.0.0.1/",
  "https://user:password@example.com/",
  "https://example.com/?token=1",
  "https://example.com/#part",
  "example.com",
])("a sink cannot be at %s", async (url) => {
  expect(await refusalOf(sinks().createAuditSink({ url }))).toMatchObject({
    code: "invalid_argument",
    reason: "AUDIT_SINK_URL_REFUSED",
  });
});

/** A certificate of 127.0.0.1 that signs itself. */
function selfSigned(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "pdaas-certificate-"));
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", keyFile, "-out", certFile];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  execFileSync("openssl", ["req", ...kind, ...subject, ...files], { stdio: "ignore" });
  const made = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  rmSync(folder, { recursive: true });
  return made;
}

test("over TLS it takes a certificate that is trusted", async () => {
  const tls = selfSigned();
  await using receiver = await Receiver.start(tls);
  const id = await sinkOf(receiver, { actions: ["Secure"] });
  await recordEvents(service, 1, { action: "Secure" });
  await expect
    .poll(async () => (await get(id)).lastError, patience)
    .toBe("There was no answer: DEPTH_ZERO_SELF_SIGNED_CERT.");
  expect(receiver.posts).toEqual([]);
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, tls.cert]);
  await hurry(id, 1);
  await expect.poll(() => receiver.sequences.length, patience).toBe(1);
  setDefaultCACertificates(trusted);
  await remove(id);
});

test("an organization has so many sinks, and none of another's", async () => {
  const made: string[] = [];
  for (let i = 0; i < 20; i++) {
    const { auditSink } = await sinks().createAuditSink({
      url: "http://127.0.0.1:1/",
      actions: ["-"],
    });
    made.push(auditSink?.id ?? "");
  }
  const oneMore = sinks().createAuditSink({ url: "http://127.0.0.1:1/" });
  expect(await refusalOf(oneMore)).toMatchObject({ reason: "LIMIT_REACHED" });
  const first = await sinks().listAuditSinks({ pageSize: 15 });
  const second = await sinks().listAuditSinks({ pageSize: 15, pageToken: first.nextPageToken });
  expect([...first.auditSinks, ...second.auditSinks].map(({ id }) => id)).toEqual(made);
  await addOrganization(service.database, "other");
  await service.database.query(
    `update audit_sinks set organization_id = (select id from organizations where slug = 'other')
      where id = $1`,
    [made[0]],
  );
  const auditSinkId = made[0] ?? "";
  for (const refused of [
    () => sinks().getAuditSink({ auditSinkId }),
    () => sinks().deleteAuditSink({ auditSinkId }),
    () => sinks().rotateAuditSinkSecret({ auditSinkId }),
    () => sinks().listFailedDeliveries({ auditSinkId }),
    () => sinks().updateAuditSink({ auditSinkId, updateMask: { paths: ["enabled"] } }),
  ]) {
    expect(await refusalOf(refused())).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
  }
  for (const id of made.slice(1)) await remove(id);
});
