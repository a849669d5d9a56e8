import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiKeyService, ApiKeyState } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { newSecretKey } from "../../src/ids.ts";
import { fingerprintSecrets } from "../../src/rpc/fingerprint-secrets.ts";
import { refusalOf, transport } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

/** A client without any credentials. */
const stranger = () => createClient(ApiKeyService, transport("connect-node Connect JSON", service));

test("whoever has a secret can disable its key, and that is recorded", async () => {
  const key = await service.issueKey();
  const client = service.signed(key);
  await client.organizations.getInfo();
  const source = "https://git.example.com/commit/1";
  const { secretKey, apiKeyId } = key;
  const report = await stranger().reportLeakedKey({ secretKey, source });
  expect(report).toMatchObject({ accessKey: key.accessKey, state: ApiKeyState.DISABLED });
  expect(await refusalOf(client.organizations.getInfo())).toMatchObject({
    reason: "SIGNATURE_INVALID",
  });
  const read = await service.admin.apiKeys.get({ apiKeyId });
  expect(read).toMatchObject({ state: "disabled", leakSource: source });
  expect(read.leakTime).toBeDefined();
  const [event] = await service.auditRows("action = 'ReportLeakedKey'", [], 1);
  expect(event).toMatchObject({ resource_id: apiKeyId, api_key_id: apiKeyId, principal_id: "" });
  await stranger().reportLeakedKey({ secretKey, source: "https://elsewhere.example" });
  expect((await service.admin.apiKeys.get({ apiKeyId })).leakSource).toBe(source);
});

test("a leaked key is enabled only by force", async () => {
  const { secretKey, apiKeyId } = await service.issueKey();
  await stranger().reportLeakedKey({ secretKey });
  const { apiKeys } = service.admin;
  expect(await refusalOf(apiKeys.enable({ apiKeyId }))).toMatchObject({
    code: "failed_precondition",
    reason: "API_KEY_LEAKED",
  });
  expect(await apiKeys.enable({ apiKeyId, force: true })).toMatchObject({ state: "active" });
  await stranger().reportLeakedKey({ secretKey });
  expect(await apiKeys.get({ apiKeyId })).toMatchObject({ state: "disabled" });
});

test("a leaked key can be replaced", async () => {
  const { secretKey, apiKeyId, serviceAccountId } = await service.issueKey();
  await stranger().reportLeakedKey({ secretKey });
  const { key } = await service.admin.apiKeys.rotate({ apiKeyId });
  const successor = { ...key, secretKey: key.secretKey, apiKeyId: key.id, serviceAccountId };
  await service.signed(successor).organizations.getInfo();
  expect(await service.admin.apiKeys.get({ apiKeyId })).toMatchObject({ state: "disabled" });
});

test("a revoked key stays revoked", async () => {
  const { secretKey, apiKeyId } = await service.issueKey();
  await service.admin.apiKeys.revoke({ apiKeyId });
  const report = await stranger().reportLeakedKey({ secretKey });
  expect(report.state).toBe(ApiKeyState.REVOKED);
});

test("a secret with a typing error is refused without being looked up", async () => {
  const { secretKey, apiKeyId } = await service.issueKey();
  const wrong = secretKey.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
  expect(await refusalOf(stranger().reportLeakedKey({ secretKey: wrong }))).toMatchObject({
    code: "invalid_argument",
    reason: "FIELD_INVALID",
  });
  expect(await service.admin.apiKeys.get({ apiKeyId })).toMatchObject({ state: "active" });
});

test("a key from before there were fingerprints is found too", async () => {
  const { secretKey, apiKeyId } = await service.issueKey();
  const forget = "update api_keys set secret_fingerprint = null where id = $1";
  await service.database.query(forget, [apiKeyId]);
  expect(await refusalOf(stranger().reportLeakedKey({ secretKey }))).toMatchObject({
    reason: "RESOURCE_NOT_FOUND",
  });
  await fingerprintSecrets(service.service.app);
  expect((await stranger().reportLeakedKey({ secretKey })).state).toBe(ApiKeyState.DISABLED);
});

test("a key whose secret cannot be read keeps no other from being found", async () => {
  const [bad, good] = [await service.issueKey(), await service.issueKey()];
  const forget = "update api_keys set secret_fingerprint = null where id = any($1)";
  await service.database.query(forget, [[bad.apiKeyId, good.apiKeyId]]);
  await service.database.query("update api_keys set sealed_secret = 'broken' where id = $1", [
    bad.apiKeyId,
  ]);
  await fingerprintSecrets(service.service.app);
  const { secretKey } = good;
  expect((await stranger().reportLeakedKey({ secretKey })).state).toBe(ApiKeyState.DISABLED);
});

test("a key that is dead keeps nobody busy, however often it is reported", async () => {
  await service.database.query("delete from attempts");
  const { secretKey, apiKeyId } = await service.issueKey();
  const report = () => stranger().reportLeakedKey({ secretKey });
  for (let i = 0; i < 101; i++) await report();
  expect(await refusalOf(report())).toMatchObject({ reason: "LEAK_REPORT_THROTTLED" });
  const recorded = "action = 'ReportLeakedKey' and resource_id = $1";
  await service.auditRows(recorded, [apiKeyId], 1);
  expect(await service.recorded(recorded, [apiKeyId])).toHaveLength(1);
});

test("guessing is throttled, and reporting is not", async () => {
  await service.database.query("delete from attempts");
  const guess = () => refusalOf(stranger().reportLeakedKey({ secretKey: newSecretKey() }));
  for (let attempt = 0; attempt < 99; attempt++) {
    expect((await guess()).reason).toBe("RESOURCE_NOT_FOUND");
  }
  for (let report = 0; report < 3; report++) {
    const { secretKey } = await service.issueKey();
    await stranger().reportLeakedKey({ secretKey });
  }
  expect((await guess()).reason).toBe("RESOURCE_NOT_FOUND");
  expect(await guess()).toMatchObject({
    code: "resource_exhausted",
    reason: "LEAK_REPORT_THROTTLED",
    retryAfterMs: expect.any(Number),
  });
});
