import type { Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusalOf, signedTransport, transport, transports } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";
import { Tail } from "../harness/tail.ts";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

let made = 0;
const leaveEvent = () => service.admin.accounts.create({ accountId: `acc-made-${made++}` });

describe.each(Object.keys(transports))("%s", (name) => {
  test("ok: what is there, and then what comes", async () => {
    await using tail = new Tail(signedTransport(name, service, key), { afterSequence: 0n });
    await expect.poll(() => tail.actions.slice(0, 2)).toEqual(["CreateFirstOrganization", "Login"]);
    await leaveEvent();
    await expect.poll(() => tail.actions.at(-1)).toBe("CreateAccount");
  });

  test("refused before the first message: in the words of every other call", async () => {
    const refused = async (by: Transport, request = {}) => refusalOf(new Tail(by, request).ended);
    expect(await refused(transport(name, service))).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_MISSING",
    });
    const wrong = { ...key, secretKey: `${key.secretKey}x` };
    expect(await refused(signedTransport(name, service, wrong))).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_INVALID",
    });
    const powerless = await service.issueKey(["Accounts.read"]);
    expect(await refused(signedTransport(name, service, powerless))).toMatchObject({
      code: "permission_denied",
      reason: "PERMISSION_MISSING",
    });
    const signed = signedTransport(name, service, key);
    expect(await refused(signed, { afterSequence: -1n })).toMatchObject({
      code: "invalid_argument",
      reason: "FIELD_INVALID",
    });
  });

  test("a key that is revoked midway ends it", async () => {
    const revoked = await service.issueKey();
    const tail = new Tail(signedTransport(name, service, revoked));
    await expect.poll(() => tail.messages).toBeGreaterThan(0);
    await service.admin.apiKeys.revoke({ apiKeyId: revoked.apiKeyId });
    expect(await refusalOf(tail.ended)).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_INVALID",
    });
    await service.auditRows(
      "action = 'TailAuditEvents' and reason = 'API_KEY_REVOKED' and api_key_id = $1",
      [revoked.apiKeyId],
      1,
    );
  });
});
