import { setTimeout as delay } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  AuditExportFormat,
  ExportAuditEventsRequestSchema,
  ExportAuditEventsResponseSchema,
  TailAuditEventsRequestSchema,
  TailAuditEventsResponseSchema,
} from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { refusalOf, signedTransport, transport, withHeaders } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import {
  beginHttp,
  beginHttp2,
  envelope,
  envelopesIn,
  grpcRefusal,
  postHttp2,
  type SlowAnswer,
  signedHeaders,
} from "../harness/raw.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";
import { Tail } from "../harness/tail.ts";

const servers = ["connect-node gRPC, gRPC server", "connect-node Connect JSON"];
const path = "/pdaas.v1.AuditService/TailAuditEvents";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start({ PDAAS_SHUTDOWN_SECONDS: "5" });
});
afterAll(() => service[Symbol.asyncDispose]());
beforeEach(async () => {
  key = await service.issueKey();
});

async function begun(made: Transport): Promise<Tail> {
  const tail = new Tail(made);
  await expect.poll(() => tail.messages).toBeGreaterThan(0);
  return tail;
}

/** The value of a metric; 0 where it is not there. */
async function metric(series: string): Promise<number> {
  const text = await (await fetch(`${service.httpUrl}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

describe.each(servers)("a stream is ended midway: %s", (name) => {
  test("when its session has ended", async () => {
    const login = await createClient(AuthService, transport(name, service)).login(administrator);
    const authorization = `Bearer ${login.tokens?.accessToken}`;
    const made = transport(name, service, [withHeaders({ authorization })]);
    const tail = await begun(made);
    await createClient(AuthService, made).logout({});
    expect(await refusalOf(tail.ended)).toMatchObject({
      code: "unauthenticated",
      reason: "SESSION_ENDED",
    });
  });

  test("when its key has lost the permission", async () => {
    const tail = await begun(signedTransport(name, service, key));
    const { apiKeyId } = key;
    await service.admin.apiKeys.update({ apiKeyId, permissions: ["Accounts.read"] });
    expect(await refusalOf(tail.ended)).toMatchObject({
      code: "permission_denied",
      reason: "PERMISSION_MISSING",
    });
  });

  test("when its address is not allowed any more", async () => {
    const tail = await begun(signedTransport(name, service, key));
    await service.admin.allowlists.add({ resourceId: key.apiKeyId, cidr: "192.0.2.0/24" });
    expect(await refusalOf(tail.ended)).toMatchObject({
      code: "permission_denied",
      reason: "ADDRESS_NOT_ALLOWED",
    });
  });

  test("when its key has expired", async () => {
    const tail = await begun(signedTransport(name, service, key));
    const expireTime = new Date(Date.now() + 2_000);
    await service.admin.apiKeys.update({ apiKeyId: key.apiKeyId, expireTime });
    expect(await refusalOf(tail.ended)).toMatchObject({ reason: "SIGNATURE_INVALID" });
    expect(Date.now()).toBeGreaterThanOrEqual(expireTime.getTime());
  });

  test("within two seconds, of what another process has changed", async () => {
    const { httpUrl, grpcAddress } = await service.replica();
    const there = { httpUrl, grpcUrl: `http://${grpcAddress}` };
    const tail = await begun(signedTransport(name, there, key));
    await service.admin.apiKeys.disable({ apiKeyId: key.apiKeyId });
    const began = performance.now();
    expect(await refusalOf(tail.ended)).toMatchObject({ reason: "SIGNATURE_INVALID" });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("but not when somebody else loses access", async () => {
    const other = await service.issueKey();
    await using tail = await begun(signedTransport(name, service, key));
    await service.admin.apiKeys.revoke({ apiKeyId: other.apiKeyId });
    await expect.poll(() => tail.actions).toContain("RevokeApiKey");
    await recordEvents(service, 1, { action: "Afterwards" });
    await expect.poll(() => tail.actions).toContain("Afterwards");
  });

  test("when the server stops: it goes on elsewhere, and nothing is missed or sent twice", async () => {
    const { httpUrl, grpcAddress, close } = await service.replica();
    const there = { httpUrl, grpcUrl: `http://${grpcAddress}` };
    const tail = await begun(signedTransport(name, there, key));
    await recordEvents(service, 1, { action: "First" });
    // Behind those of the key's own making, which may have been waiting for their numbers.
    await expect.poll(() => tail.actions.at(-1)).toBe("First");
    const closed = close();
    expect(await refusalOf(tail.ended)).toMatchObject({
      code: "unavailable",
      reason: "SHUTTING_DOWN",
      retryAfterMs: 100,
    });
    await closed;
    await recordEvents(service, 1, { action: "Second" });
    const made = signedTransport(name, service, key);
    await using next = new Tail(made, { afterSequence: tail.position as bigint });
    await recordEvents(service, 1, { action: "Third" });
    await expect.poll(() => next.actions).toEqual(["Second", "Third"]);
  });

  test("when its caller leaves it: that is counted once, and is no refusal", async () => {
    const server = name.endsWith("gRPC server") ? "grpc" : "http";
    const series = `pdaas_calls_total{rpc="TailAuditEvents",server="${server}",reason="CANCELLED"}`;
    const before = await metric(series);
    const tail = await begun(signedTransport(name, service, key));
    expect(await metric("pdaas_open_streams")).toBe(1);
    await tail.leave();
    await expect.poll(() => metric("pdaas_open_streams")).toBe(0);
    await expect.poll(() => metric(series)).toBe(before + 1);
    const recorded = await service.recorded("action = 'TailAuditEvents' and reason = 'CANCELLED'");
    expect(recorded).toEqual([]);
  });
});

describe("at its deadline, a stream ends in our words", () => {
  const request = create(TailAuditEventsRequestSchema, { afterSequence: 0n });
  const message = toBinary(TailAuditEventsRequestSchema, request);

  test("over gRPC, on both servers", async () => {
    for (const origin of [service.grpcUrl, service.httpUrl]) {
      const url = origin + path;
      const body = envelope(message);
      const headers = signedHeaders(key, url, "application/grpc", body);
      const answer = await postHttp2(url, { ...headers, "grpc-timeout": "700m" }, body);
      expect(answer.body).toContain("CreateFirstOrganization");
      expect(grpcRefusal(answer)).toMatchObject({
        code: "deadline_exceeded",
        reason: "DEADLINE_EXCEEDED",
      });
    }
  });

  test("over Connect", async () => {
    const url = service.httpUrl + path;
    const body = envelope(Buffer.from('{"afterSequence":"0"}'));
    const headers = signedHeaders(key, url, "application/connect+json", body);
    const answer = await beginHttp(url, { ...headers, "connect-timeout-ms": "700" }, body);
    const chunks: Buffer[] = await Array.fromAsync(answer.readable);
    const end = envelopesIn(Buffer.concat(chunks)).at(-1);
    expect(end?.flags).toBe(2);
    expect(JSON.parse(`${end?.message}`).error).toMatchObject({ code: "deadline_exceeded" });
  });
});

describe("a caller that does not read", () => {
  const total = 2_000;
  /** Of each event, so that no buffer along the way has room for all. */
  const reason = "x".repeat(12_000);
  const ways = [
    ["gRPC, gRPC server", beginHttp2, "grpcUrl", "application/grpc"],
    ["gRPC, HTTP server", beginHttp2, "httpUrl", "application/grpc"],
    ["Connect over HTTP/1.1", beginHttp, "httpUrl", "application/connect+proto"],
    ["Connect over HTTP/2", beginHttp2, "httpUrl", "application/connect+proto"],
    ["gRPC-Web over HTTP/1.1", beginHttp, "httpUrl", "application/grpc-web+proto"],
  ] as const;
  type Way = readonly [string, typeof beginHttp, "grpcUrl" | "httpUrl", string];
  /** Those that take what a slow caller does not read yet out of the server's hands. */
  const buffering = [ways[0], ways[2], ways[4]];
  const sent = () => metric('pdaas_stream_messages_total{rpc="TailAuditEvents"}');
  let first: number;

  beforeAll(async () => {
    const rows = "select coalesce(max(sequence), 0)::int as last from audit_entries";
    await recordEvents(service, 1);
    await service.auditRows("reason = 'TEST'", [], 1);
    const [row] = await service.database.query<{ last: number }>(rows);
    first = row?.last ?? 0;
    await recordEvents(service, total, { reason });
    await service.auditRows("reason = $1", [reason], total);
  });

  function begin([, how, server, type]: Way, rpc: string, message: Uint8Array) {
    const url = `${service[server]}/pdaas.v1.AuditService/${rpc}`;
    const body = envelope(message);
    return how(url, signedHeaders(key, url, type, body), body);
  }

  function beginTail(way: Way): Promise<SlowAnswer> {
    const request = create(TailAuditEventsRequestSchema, { afterSequence: BigInt(first) });
    return begin(way, "TailAuditEvents", toBinary(TailAuditEventsRequestSchema, request));
  }

  /** How many messages were taken of the stream, when no more are. */
  async function stalled(before: number): Promise<number> {
    for (let last = -1; ; ) {
      const now = (await sent()) - before;
      if (now === last && now > 0) return now;
      last = now;
      await delay(500);
    }
  }

  test.each(ways)("is not read ahead for: %s", async (...way) => {
    const before = await sent();
    const answer = await beginTail(way);
    expect(await stalled(before)).toBeLessThan(total / 2);
    const sequences = await readAll(answer, total);
    expect(sequences).toEqual(Array.from({ length: total }, (_, i) => first + 1 + i));
    answer.drop();
    await expect.poll(() => metric("pdaas_open_streams")).toBe(0);
  });

  test.each(ways)("is cut off once its key is revoked: %s", async (...way) => {
    const before = await sent();
    const answer = await beginTail(way);
    await stalled(before);
    await service.admin.apiKeys.revoke({ apiKeyId: key.apiKeyId });
    await expect.poll(() => metric("pdaas_open_streams"), { timeout: 20_000 }).toBe(0);
    // What is on its way already is read, and then there is an end, told or not.
    answer.readable.resume();
    await expect.poll(() => answer.readable.closed, { timeout: 20_000 }).toBe(true);
    answer.drop();
    const revoked = "action = 'TailAuditEvents' and reason = 'API_KEY_REVOKED' and api_key_id = $1";
    await service.auditRows(revoked, [key.apiKeyId], 1);
  });

  test.each(buffering)("has all of a stream that has ended, however late: %s", async (...way) => {
    const server = way[2] === "grpcUrl" ? "grpc" : "http";
    const series = `pdaas_calls_total{rpc="ExportAuditEvents",server="${server}",reason="OK"}`;
    const before = await metric(series);
    const request = create(ExportAuditEventsRequestSchema, {
      format: AuditExportFormat.CSV,
      fromSequence: BigInt(first + 1),
      toSequence: BigInt(first + 50),
    });
    const message = toBinary(ExportAuditEventsRequestSchema, request);
    const answer = await begin(way, "ExportAuditEvents", message);
    await expect.poll(() => metric(series)).toBe(before + 1);
    // Longer than a stream that is ended early is waited for.
    await delay(6_000);
    const body = Buffer.concat(await Array.fromAsync(answer.readable));
    const csv = envelopesIn(body)
      .filter(({ flags }) => flags === 0)
      .map(({ message }) => fromBinary(ExportAuditEventsResponseSchema, message).chunk);
    expect(Buffer.concat(csv).toString().split("\r\n")).toHaveLength(52);
    answer.drop();
  });

  test.each(ways)("may leave, and that is no fault of ours: %s", async (...way) => {
    const before = await sent();
    const answer = await beginTail(way);
    await stalled(before);
    answer.drop();
    await expect.poll(() => metric("pdaas_open_streams")).toBe(0);
    const text = await (await fetch(`${service.httpUrl}/metrics`)).text();
    expect(text).not.toMatch(/pdaas_calls_total\{rpc="TailAuditEvents",.*INTERNAL/);
    expect(await service.recorded("reason in ('INTERNAL', 'CANCELLED')")).toEqual([]);
  });
});

/** Reads so many events. @returns their sequence numbers */
async function readAll({ readable }: SlowAnswer, count: number): Promise<number[]> {
  const sequences: number[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of readable) {
    rest = Buffer.concat([rest, chunk]);
    for (const { message } of envelopesIn(rest)) {
      rest = rest.subarray(5 + message.length);
      const { auditEvent, sequence } = fromBinary(TailAuditEventsResponseSchema, message);
      if (auditEvent !== undefined) sequences.push(Number(sequence));
    }
    if (sequences.length >= count) break;
  }
  return sequences.slice(0, count);
}

test("a principal has so many streams at a server, and no more", async () => {
  const made = signedTransport("connect-node gRPC, gRPC server", service, key);
  const tails = Array.from({ length: 100 }, () => new Tail(made));
  await expect.poll(() => metric("pdaas_open_streams"), { timeout: 10_000 }).toBe(100);
  expect(await refusalOf(new Tail(made).ended)).toMatchObject({
    code: "resource_exhausted",
    reason: "OVERLOADED",
  });
  await using _other = await begun(
    signedTransport("connect-node gRPC, gRPC server", service, await service.issueKey()),
  );
  await Promise.all(tails.map((tail) => tail.leave()));
});
