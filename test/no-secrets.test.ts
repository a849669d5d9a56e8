import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { Client } from "pdaas";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { administrator, masterKey, TestService } from "./harness/service.ts";

let service: TestService;
/** What the clients of this file were answered, but for the answers that hand a secret out. */
const answers: string[] = [];
/** Every secret there was, by what it is. */
const secrets = new Map<string, string>();

beforeAll(async () => {
  vi.stubGlobal("fetch", recordingFetch(globalThis.fetch));
  service = await TestService.start({ PDAAS_LOG_LEVEL: "debug" });
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await service[Symbol.asyncDispose]();
});

const handingOut = /\/(IssueApiKey|RotateApiKey|Login|RefreshSession)$/;

/** The raw calls of this file go through here; what their answers say is kept. */
function recordingFetch(real: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await real(input, init);
    const text = await response.clone().text();
    const headers = JSON.stringify([...response.headers]);
    const isRefusal = response.status !== 200;
    if (isRefusal || !handingOut.test(String(input))) answers.push(headers, text);
    return response;
  };
}

async function call(rpc: string, request: object, accessToken?: string): Promise<unknown> {
  const response = await fetch(`${service.httpUrl}/pdaas.v1.${rpc}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify(request),
  });
  return response.json();
}

/** Everything that can be done with keys, and much that goes wrong. */
async function useEverything(): Promise<void> {
  const login = (await call("AuthService/Login", administrator)) as {
    tokens: { accessToken: string; refreshToken: string };
  };
  const { accessToken, refreshToken } = login.tokens;
  secrets.set("password", administrator.password);
  secrets.set("access token", accessToken).set("refresh token", refreshToken);
  const asUser = (rpc: string, request: object) => call(rpc, request, accessToken);
  const { serviceAccountId, apiKeyId, ...first } = await service.issueKey();
  secrets.set("secret key", first.secretKey);
  const issue = { serviceAccountId, name: "Build", labels: { env: "x" }, requestId: "request-1" };
  const issued = (await asUser("ApiKeyService/IssueApiKey", issue)) as Issued;
  secrets.set("issued secret key", issued.secretKey);
  const rotate = { apiKeyId: issued.apiKey.id, requestId: "request-2" };
  const rotated = (await asUser("ApiKeyService/RotateApiKey", rotate)) as Issued;
  secrets.set("rotated secret key", rotated.secretKey);
  for (const key of [first, { ...issued.apiKey, secretKey: issued.secretKey }]) {
    const client = new Client({ baseUrl: service.httpUrl, ...key });
    await client.organizations.getInfo();
    answers.push(JSON.stringify(client), JSON.stringify(await client.whoAmI()));
    const wrong = new Client({ baseUrl: service.httpUrl, ...key, secretKey: `${key.secretKey}0` });
    await wrong.organizations.getInfo().catch((error) => answers.push(String(error.stack)));
  }
  const { secretKey } = rotated;
  const mistakes: [string, object][] = [
    ["ApiKeyService/ReportLeakedKey", { secretKey: `${secretKey}0` }],
    ["ApiKeyService/ReportLeakedKey", { secretKey: secretKey.replace(/.$/, "!") }],
    ["ApiKeyService/ReportLeakedKey", { secretKey: [secretKey] }],
    ["ApiKeyService/ReportLeakedKey", { secret: secretKey }],
    ["ApiKeyService/ReportLeakedKey", { [secretKey]: 1 }],
    ["ApiKeyService/GetApiKey", { apiKeyId: secretKey }],
    ["AllowlistService/TestAddress", { resourceId: secretKey, address: secretKey }],
    ["AllowlistService/CreateAllowlistEntry", { resourceId: apiKeyId, cidr: secretKey }],
    ["AccountService/CreateAccount", { accountId: secretKey }],
    ["ApiKeyService/IssueApiKey", { ...issue, description: "changed" }],
    ["AuthService/Login", { ...administrator, email: administrator.password }],
    ["AuthService/RefreshSession", { refreshToken: `${refreshToken}x` }],
  ];
  for (const [rpc, request] of mistakes) await asUser(rpc, request);
  const swapped = { accessKey: secretKey, secretKey: first.accessKey, userAgent: secretKey };
  await new Client({ baseUrl: service.httpUrl, ...swapped }).whoAmI().catch(String);
  const boasting = new Client({ baseUrl: service.httpUrl, ...first, userAgent: secretKey });
  await boasting.apiKeys.get({ apiKeyId: "nothing" }).catch(String);
  await fetch(`${service.httpUrl}/pdaas.v1.OrganizationService/GetOrganization`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${accessToken}x` },
    body: "{}",
  });
  await call("ApiKeyService/ReportLeakedKey", { secretKey, source: "a wiki" });
  const id = issued.apiKey.id;
  await asUser("ApiKeyService/UpdateApiKey", { apiKeyId: id, name: "x", updateMask: "name" });
  await asUser("ApiKeyService/DisableApiKey", { apiKeyId: id });
  await asUser("ApiKeyService/EnableApiKey", { apiKeyId: id });
  await asUser("ApiKeyService/RetireApiKey", { apiKeyId: id, force: true });
  await asUser("ApiKeyService/RevokeApiKey", { apiKeyId, reason: "done" });
  for (const keyId of [apiKeyId, id, rotated.apiKey.id]) {
    await asUser("ApiKeyService/GetApiKey", { apiKeyId: keyId });
    await asUser("ApiKeyService/GetApiKeyUsage", { apiKeyId: keyId });
  }
  await asUser("ApiKeyService/ListApiKeys", {});
  await service.auditRows("action = 'ReportLeakedKey' and outcome = 1", [], 1);
  await asUser("AuditService/ListAuditEvents", { pageSize: 200 });
  await fetch(`${service.httpUrl}/metrics`);
}

interface Issued {
  apiKey: { id: string; accessKey: string };
  secretKey: string;
}

/** Every row of every table, as text. */
async function databaseDump(): Promise<string> {
  const tables = await service.database.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  );
  const rows = tables.map(({ name }) => service.database.query(`select t::text from ${name} t`));
  return JSON.stringify(await Promise.all(rows));
}

/** Every key of Redis that is this installation's, and what it holds. */
async function redisDump(): Promise<string> {
  const redis = new Redis(inject("redisUrl"));
  const [instance] = await service.database.query<{ id: string }>("select id from instance");
  const keys = await redis.keys(`{${instance?.id}}*`);
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  redis.disconnect();
  return keys.join("\n") + dumps.map((dump) => dump?.toString("latin1")).join("\n");
}

/** A secret as it may have been written down. Of a refresh token the hash is what is stored. */
function formsOf(what: string, secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hash = createHash("sha256").update(secret).digest("hex");
  return [
    secret,
    bytes.toString("hex"),
    bytes.toString("base64"),
    encodeURIComponent(secret),
    ...(what === "refresh token" ? [] : [hash]),
  ];
}

test("no secret is anywhere but in the answer that hands it out", async () => {
  await useEverything();
  secrets.set("master key", masterKey);
  const places = {
    "the answers and errors": answers.join("\n"),
    "the log": service.log.join(""),
    "the database": await databaseDump(),
    Redis: await redisDump(),
  };
  for (const [place, text] of Object.entries(places)) {
    expect(text.length, place).toBeGreaterThan(500);
    for (const [what, secret] of secrets) {
      expect(secret.length, what).toBeGreaterThan(20);
      for (const form of formsOf(what, secret)) {
        const at = text.indexOf(form);
        const context = text.slice(Math.max(0, at - 200), at);
        expect(at, `the ${what} is in ${place}, after ${context}`).toBe(-1);
      }
    }
  }
  // What finds nothing because it looks in the wrong place would prove nothing.
  const [key] = await service.admin.apiKeys
    .list()
    .page()
    .then(({ items }) => items);
  for (const place of ["the answers and errors", "the database"] as const) {
    expect(places[place]).toContain(key?.accessKey);
  }
  expect(places["the log"]).toContain("call refused");
});
