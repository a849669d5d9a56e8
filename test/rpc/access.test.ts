import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Caller } from "../../gen/pdaas/v1/access_pb.ts";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type Method, methods } from "../../src/contract.ts";
import { refusalOf, signedTransport, transport, withHeaders } from "../harness/clients.ts";
import { invoke } from "../harness/invoke.ts";
import { validRequests } from "../harness/requests.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";

const connect = "connect-node Connect JSON";
const all = [...methods.values()];
const byName = (list: Method[]) => list.map((method) => [method.action, method] as const);

let service: TestService;
let accessToken: string;
/** May do everything. */
let key: TestKey;
/** May do nothing. */
let powerless: TestKey;
let requests: ReturnType<typeof validRequests>;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey(["*"]);
  powerless = await service.issueKey([]);
  requests = validRequests(service, { key, powerless });
  const { tokens } = (await invoke("Login", administrator, anonymous())) as {
    tokens: { accessToken: string };
  };
  accessToken = tokens.accessToken;
});
afterAll(() => service[Symbol.asyncDispose]());

const anonymous = () => transport(connect, service);
const asKey = (by: TestKey) => signedTransport(connect, service, by);
const asUser = () =>
  transport(connect, service, [withHeaders({ authorization: `Bearer ${accessToken}` })]);

describe("without credentials", () => {
  const closed = all.filter(({ callers }) => !callers.has(Caller.ANONYMOUS));
  test.each(byName(closed))("%s is refused", async (action) => {
    expect(await refusalOf(invoke(action, {}, anonymous()))).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_MISSING",
    });
  });
});

describe("without the permission", () => {
  const limited = all.filter(({ access }) => access.permission !== "");
  test.each(byName(limited))("%s is refused, and that is recorded", async (action, { access }) => {
    const refusal = await refusalOf(invoke(action, {}, asKey(powerless)));
    expect(refusal).toMatchObject({ code: "permission_denied", reason: "PERMISSION_MISSING" });
    expect(refusal.message).toContain(access.permission);
    const events = await service.auditRows(
      "action = $1 and principal_id = $2 and reason = 'PERMISSION_MISSING'",
      [action, powerless.serviceAccountId],
      1,
    );
    expect(events).toEqual([
      expect.objectContaining({
        outcome: AuditOutcome.REFUSED,
        api_key_id: powerless.apiKeyId,
        address: "127.0.0.1",
      }),
    ]);
  });
});

describe("by the wrong kind of caller", () => {
  const sessionsOnly = all.filter(
    ({ callers }) => callers.has(Caller.SESSION) && !callers.has(Caller.SIGNATURE),
  );
  test.each(byName(sessionsOnly))("%s is refused to a signed request", async (action) => {
    expect(await refusalOf(invoke(action, {}, asKey(key)))).toMatchObject({
      code: "permission_denied",
      reason: "CALLER_NOT_ALLOWED",
    });
  });
});

test("every RPC is walked", () => {
  expect(Object.keys(requests).sort()).toEqual(all.map(({ action }) => action).sort());
});

describe("every change", () => {
  const order = all.filter(({ isRead }) => !isRead);
  // Logout ends the session that the others use.
  order.sort((a, b) => Number(a.action === "Logout") - Number(b.action === "Logout"));
  test.each(byName(order))("%s leaves one audit event", async (action, { callers, access }) => {
    const request = await requests[action]?.();
    const events = () =>
      service.recorded("action = $1 and outcome = $2", [action, AuditOutcome.OK]);
    const before = await events();
    const epochBefore = await accessEpoch();
    const made = callers.has(Caller.SIGNATURE) ? asKey(key) : asUser();
    await invoke(action, request as object, callers.has(Caller.ANONYMOUS) ? anonymous() : made);
    const after = await events();
    expect(after).toHaveLength(before.length + 1);
    expect(after.at(-1)?.resource_id).not.toBe("");
    expect(after.at(-1)?.request_id).toMatch(/^req_/);
    expect((await accessEpoch()) > epochBefore).toBe(access.changesAccess);
  });
});

describe("every read", () => {
  const reads = all.filter(({ isRead }) => isRead);
  test.each(byName(reads))("%s is answered, and leaves none", async (action) => {
    const count = () => service.recorded("true");
    const request = await requests[action]?.();
    const before = await count();
    await invoke(action, request as object, asKey(key));
    expect(await count()).toHaveLength(before.length);
  });
});

async function accessEpoch(): Promise<number> {
  const [row] = await service.database.query<{ access_epoch: string }>(
    "select access_epoch from organizations",
  );
  return Number(row?.access_epoch);
}
