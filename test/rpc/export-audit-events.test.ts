import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { verifyAuditExport } from "pdaas/audit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AuditExportFormat,
  AuditService,
  type ExportAuditEventsRequestSchema,
} from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService, PrincipalType } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import { dropAuditEntries } from "../../src/rpc/audit/drop-audit-entries.ts";
import { refusalOf, signedTransport, transport, withHeaders } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { addOrganization } from "../harness/organization.ts";
import { type administrator, type TestKey, TestService } from "../harness/service.ts";

const { JSON_LINES, OCSF, CSV } = AuditExportFormat;
const servers = ["connect-node gRPC, gRPC server", "connect-node Connect JSON"];

/** Each of them is something else to somebody who reads the file. */
const hostile = [
  '=HYPERLINK("http://evil.example","x")',
  "+1+cmd|' /C calc'!A0",
  "-2+3",
  "@SUM(1,2)",
  "\t=1+1",
  "  =1+1",
  "\u200b=1+1",
  "＝1+1",
  'a "quoted", value',
  "two\r\nlines\nand\rmore",
  "\n",
  '","forged","',
  '"},{"forged":true',
  "\u2028\u2029\u202etxt.exe",
  "</script><!--",
  "$(reboot)",
  "café 🦊",
  "\ud800",
];

let service: TestService;
let key: TestKey;
let verifierKey: string;
/** The sequence number of the first hostile event. */
let firstHostile: number;
/** How many events there are at least. */
let size: number;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey(["AuditEvents.read", "ServiceAccounts.write"]);
  await service
    .signed(key)
    .accounts.get({ accountId: "acc-123" })
    .catch(() => {});
  await service.auditRows("reason = 'PERMISSION_MISSING'", [], 1);
  for (const text of hostile) await recordHostile(text);
  await service.auditRows("trim(action) <> '' and length(request_id) > 0", [], hostile.length);
  await recordEvents(service, 6_000, { action: "Filler" });
  const rows = await service.auditRows("action = 'Filler'", [], 6_000);
  ({ verifierKey } = await client().getCheckpoint({}));
  const [row] = await service.database.query<{ first: number; size: number }>(
    "select min(sequence) filter (where resource_type = 'Hostile')::int as first, max(sequence)::int as size from audit_entries",
  );
  ({ first: firstHostile, size } = row as { first: number; size: number });
  expect(rows).toHaveLength(6_000);
});
afterAll(() => service[Symbol.asyncDispose]());

/** An event with the same text wherever there may be one. */
async function recordHostile(text: string): Promise<void> {
  await recordEvents(service, 1, {
    principal: { type: PrincipalType.USER, id: text, apiKeyId: text, sessionId: text } as never,
    action: text,
    resourceType: "Hostile",
    resourceId: text,
    parentId: text,
    accountId: text,
    reason: text,
    requestId: text,
    traceId: text,
    // Not taken from a caller as it is.
    address: stored(text),
    userAgent: text,
    policyIds: [text],
    changes: [{ field: text, before: text, after: text, isPersonal: false }],
  });
}

/** As it is stored: a half of a character is none. */
const stored = (text: string) => text.toWellFormed();

const client = (server = servers[0] as string) =>
  createClient(AuditService, signedTransport(server, service, key));

async function loggedIn(login: typeof administrator): Promise<Transport> {
  const { tokens } = await createClient(
    AuthService,
    transport(servers[0] as string, service),
  ).login(login);
  const headers = withHeaders({ authorization: `Bearer ${tokens?.accessToken}` });
  return transport(servers[0] as string, service, [headers]);
}

async function exported(
  request: MessageInitShape<typeof ExportAuditEventsRequestSchema>,
  from: string | Transport = servers[0] as string,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  const asked = typeof from === "string" ? client(from) : createClient(AuditService, from);
  for await (const { chunk } of asked.exportAuditEvents(request)) chunks.push(chunk);
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
}

const linesOf = (text: string) => text.split("\n").slice(0, -1);

async function* iterated(lines: string[]) {
  yield* lines;
}

describe("JSON lines", () => {
  const verified = (lines: string[], checkpoints: { name: string; text: string }[] = []) => {
    const { start } = JSON.parse(lines[0] ?? "");
    const given = { verifierKeys: [verifierKey], checkpoints, from: Number(start?.sequence ?? 1) };
    return verifyAuditExport({ lines: iterated(lines), ...given });
  };

  test.each(servers)(
    "of the whole log are verified without asking the service: %s",
    async (server) => {
      const lines = linesOf(await exported({ format: JSON_LINES }, server));
      const verification = await verified(lines);
      expect(verification.findings).toEqual([]);
      expect(verification).toMatchObject({ isComplete: true, from: 1, to: lines.length - 1 });
      expect(lines.length).toBeGreaterThan(size);
    },
  );

  test.each([2, 255, 256, 257, 4_000])("from event %i on are too", async (from) => {
    const text = await exported({ format: JSON_LINES, fromSequence: BigInt(from) });
    const verification = await verified(linesOf(text));
    expect(verification.findings).toEqual([]);
    expect(verification).toMatchObject({ isComplete: true, from });
  });

  test("from a time on begin with its first event", async () => {
    const [row] = await service.database.query<{ time: Date; sequence: string }>(
      "select time, sequence from audit_entries where action = 'Filler' order by sequence limit 1",
    );
    const startTime = timestampFromDate(row?.time as Date);
    const lines = linesOf(await exported({ format: JSON_LINES, startTime }));
    const verification = await verified(lines);
    expect(verification).toMatchObject({ isComplete: true, from: Number(row?.sequence) });
  });

  test("that were changed are not verified", async () => {
    const lines = linesOf(await exported({ format: JSON_LINES, fromSequence: BigInt(size - 5) }));
    for (const broken of [
      lines.toSpliced(3, 1),
      lines.with(2, lines[3] as string),
      lines.slice(0, -1),
    ]) {
      expect(await verified(broken)).toMatchObject({ isComplete: false });
    }
  });

  test("prove that the log has only grown since earlier checkpoints", async () => {
    const before =
      linesOf(await exported({ format: JSON_LINES, fromSequence: BigInt(size) })).at(-1) ?? "";
    const published = Number((JSON.parse(before).checkpoint as string).split("\n")[1]);
    await recordEvents(service, 1, { action: "Grown" });
    await service.auditRows("action = 'Grown'", [], 1);
    const text = await exported({ format: JSON_LINES, consistentWith: [1n, BigInt(published)] });
    const lines = linesOf(text);
    const verification = await verified(lines, [{ name: "before", text: before }]);
    expect(verification.findings).toEqual([]);
    const end = JSON.parse(lines.at(-1) ?? "");
    expect(end.consistency.map(({ size }: { size: string }) => size)).toEqual([
      "1",
      `${published}`,
    ]);
  });

  test("tell what retention has dropped, of which the hashes are left", async () => {
    const login = await addOrganization(service.database, "dropping");
    const [row] = await service.database.query<{ id: string }>(
      "select id from organizations where slug = 'dropping'",
    );
    const there = { service: service.service, organizationId: row?.id ?? "" };
    const time = new Date(Date.now() - 100 * 86_400_000);
    await recordEvents(there, 300, { action: "Old", time });
    await service.auditRows("action = 'Old'", [], 300);
    const made = await loggedIn(login);
    const auditRetention = { seconds: BigInt(30 * 86_400) };
    const updateMask = { paths: ["audit_retention"] };
    await createClient(OrganizationService, made).updateOrganization({
      auditRetention,
      updateMask,
    });
    await dropAuditEntries(service.service.app);
    await service.auditRows("action = 'DropAuditEntries'", [], 1);
    const lines = linesOf(await exported({ format: JSON_LINES }, made));
    expect(lines.filter((line) => line.includes('"dropped":true'))).toHaveLength(300);
    const verification = await verified(lines);
    expect(verification.findings).toEqual([]);
    expect(verification).toMatchObject({ isComplete: true, from: 1, droppedTo: 300 });
    const csv = parseCsv(await exported({ format: CSV }, made));
    expect(csv[1]?.[0]).toBe("301");
  });

  test.each([
    [{ toSequence: 3n }, "to_sequence"],
    [{ endTime: timestampFromDate(new Date()) }, "end_time"],
    [{ fromSequence: 10_000_000n }, "from_sequence"],
    [{ consistentWith: [10_000_000n] }, "consistent_with"],
  ])("are refused where they could not be proven: %o", async (request, field) => {
    const refusal = await refusalOf(exported({ format: JSON_LINES, ...request }));
    expect(refusal).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
    expect(refusal.message).toContain(field);
  });

  test("without a format are refused", async () => {
    expect(await refusalOf(exported({}))).toMatchObject({ reason: "FIELD_INVALID" });
  });
});

/** What each class needs, besides what every event does: https://schema.ocsf.io/1.3.0 */
const needed: Record<number, string[]> = {
  3001: ["user"],
  3002: ["user", "service"],
  3004: ["entity"],
  6003: ["actor", "api", "src_endpoint"],
};
const always = [
  ...["activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "metadata"],
  ...["status_id", "actor", "src_endpoint"],
];

describe("OCSF", () => {
  const events = async (request = {}) =>
    linesOf(await exported({ format: OCSF, ...request })).map((line) => JSON.parse(line));

  test.each(servers)("every event has what its class needs: %s", async (server) => {
    const all = linesOf(await exported({ format: OCSF }, server)).map((line) => JSON.parse(line));
    expect(all.length).toBeGreaterThanOrEqual(size);
    expect(all.map(({ metadata }) => metadata.sequence)).toEqual(all.map((_, i) => i + 1));
    for (const event of all) {
      const missing = [...always, ...(needed[event.class_uid] ?? ["a class"])].filter(
        (name) => event[name] === undefined,
      );
      expect(missing).toEqual([]);
      expect(event.category_uid).toBe(Math.floor(event.class_uid / 1_000));
      expect(event.type_uid).toBe(event.class_uid * 100 + event.activity_id);
      expect(event.metadata).toMatchObject({
        version: "1.3.0",
        tenant_uid: service.organizationId,
        product: { name: expect.any(String), vendor_name: expect.any(String) },
      });
    }
  });

  test("an action has the class and the activity that fit it", async () => {
    const kinds = (await events({ toSequence: BigInt(firstHostile - 1) })).map(
      ({ metadata, class_uid, activity_id, status }) =>
        `${metadata.event_code} ${class_uid} ${activity_id} ${status}`,
    );
    expect(kinds).toEqual([
      "CreateFirstOrganization 3004 1 Success",
      "Login 3002 1 Success",
      "CreateServiceAccount 3001 1 Success",
      "IssueApiKey 3004 1 Success",
      "GetAccount 6003 2 Failure",
    ]);
  });

  test("who did what from where is told", async () => {
    const all = await events({ toSequence: BigInt(firstHostile - 1) });
    expect(all.at(-1)).toMatchObject({
      actor: {
        user: {
          uid: key.serviceAccountId,
          type: "Service",
          type_id: 4,
          credential_uid: key.apiKeyId,
        },
      },
      api: { operation: "GetAccount" },
      src_endpoint: { ip: "127.0.0.1" },
      status: "Failure",
      status_code: "PERMISSION_MISSING",
      severity: "Low",
    });
  });

  test("a hostile text stays in its place", async () => {
    const range = {
      fromSequence: BigInt(firstHostile),
      toSequence: BigInt(firstHostile + hostile.length - 1),
    };
    const all = await events(range);
    expect(all).toHaveLength(hostile.length);
    for (const [i, event] of all.entries()) {
      const text = stored(hostile[i] as string);
      expect(event).toMatchObject({
        activity_name: text,
        status_code: text,
        metadata: { event_code: text, correlation_uid: text },
        actor: { user: { uid: text }, session: { uid: text }, app_name: text },
        src_endpoint: { ip: text },
        entity: { uid: text, type: "Hostile" },
        unmapped: {
          parent_id: text,
          account_id: text,
          trace_id: text,
          policy_ids: [text],
          changes: [{ field: text, before: text, after: text }],
        },
      });
    }
  });
});

/** Reads RFC 4180, strictly. */
function parseCsv(text: string): string[][] {
  const cell = /"((?:[^"]|"")*)"(,|\r\n)/y;
  const records: string[][] = [];
  for (let record: string[] = []; cell.lastIndex < text.length; ) {
    const [, value = "", end] = cell.exec(text) ?? [];
    if (end === undefined) throw new Error("not RFC 4180");
    record.push(value.replaceAll('""', '"'));
    if (end === "\r\n") records.push(record.splice(0));
  }
  return records;
}

describe("CSV", () => {
  test.each(servers)("has a line of names, and a record for each event: %s", async (server) => {
    const [names = [], ...records] = parseCsv(await exported({ format: CSV }, server));
    expect(names.slice(0, 3)).toEqual(["sequence", "id", "time"]);
    expect(records.every((record) => record.length === names.length)).toBe(true);
    expect(records.map(([sequence]) => sequence)).toEqual(records.map((_, i) => `${i + 1}`));
    expect(records.length).toBeGreaterThanOrEqual(size);
    const login = Object.fromEntries(names.map((name, i) => [name, records[1]?.[i]]));
    expect(login).toMatchObject({
      action: "Login",
      outcome: "OK",
      principal_type: "USER",
      address: "127.0.0.1",
      count: "1",
    });
  });

  test("ranges of numbers and times choose", async () => {
    const numbers = async (request: object) =>
      parseCsv(await exported({ format: CSV, ...request }))
        .slice(1)
        .map(([sequence]) => Number(sequence));
    expect(await numbers({ fromSequence: 3n, toSequence: 5n })).toEqual([3, 4, 5]);
    expect(await numbers({ fromSequence: BigInt(size + 1_000) })).toEqual([]);
    const [row] = await service.database.query<{ time: Date }>(
      "select time from audit_entries where sequence = 4",
    );
    const time = timestampFromDate(row?.time as Date);
    const before = await numbers({ endTime: time });
    const after = await numbers({ startTime: time, toSequence: BigInt(size) });
    expect(before.at(-1)).toBeLessThan(4);
    expect(after[0]).toBeLessThanOrEqual(4);
    expect(before.length + after.length).toBe(size);
  });

  test("no hostile text is a formula, and every one is whole", async () => {
    const range = {
      fromSequence: BigInt(firstHostile),
      toSequence: BigInt(firstHostile + hostile.length - 1),
    };
    const [names = [], ...records] = parseCsv(await exported({ format: CSV, ...range }));
    expect(records).toHaveLength(hostile.length);
    for (const [i, record] of records.entries()) {
      for (const value of record)
        expect(value).not.toMatch(/^[\s\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]/u);
      const event = Object.fromEntries(
        names.map((name, at) => [name, record[at]?.replace(/^'/, "")]),
      );
      const text = stored(hostile[i] as string);
      const texts = [
        "principal_id",
        "api_key_id",
        "session_id",
        "action",
        "resource_id",
        "parent_id",
      ];
      texts.push(
        "account_id",
        "reason",
        "request_id",
        "trace_id",
        "address",
        "user_agent",
        "policy_ids",
      );
      for (const name of texts) expect(event[name]).toBe(text);
      expect(JSON.parse(event.changes ?? "")).toEqual([{ field: text, before: text, after: text }]);
    }
  });
});
