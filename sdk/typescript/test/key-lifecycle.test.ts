import { inspect } from "node:util";
import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  AllowlistLevel,
  AllowlistOutcome,
  AllowlistService,
} from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeyService, ApiKeyState } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { Client } from "../src/index.ts";
import { startServer } from "./support/server.ts";

const credentials = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const createTime = timestampFromMs(1_700_000_000_123);
const date = new Date(1_700_000_000_123);
const apiKeyId = "key_1";
const resourceId = "svc_1";
const use = { time: createTime, address: "203.0.113.7", userAgent: "ci/1", rpc: "GetAccount" };
const apiKey = {
  id: apiKeyId,
  state: ApiKeyState.DISABLED,
  createTime,
  updateTime: createTime,
  expireTime: createTime,
  disableTime: createTime,
  leakTime: createTime,
  leakSource: "a commit",
  labels: { env: "test" },
  permissionLimit: { permissions: [] },
  rateLimit: { requestsPerSecond: 5 },
  predecessorId: "key_0",
  lastUse: use,
  etag: "v2",
};
const entry = { id: "alw_1", resourceId, cidr: "203.0.113.0/24", createTime };
const allowlist = { resourceId, level: AllowlistLevel.SERVICE_ACCOUNT, reportOnly: true };

function routes(router: ConnectRouter): void {
  const one = () => ({ apiKey });
  router.service(ApiKeyService, {
    issueApiKey: () => ({ apiKey, secretKey: "sk_issued_secret" }),
    getApiKey: one,
    listApiKeys: () => ({ apiKeys: [apiKey] }),
    updateApiKey: one,
    disableApiKey: one,
    enableApiKey: one,
    revokeApiKey: one,
    retireApiKey: one,
    rotateApiKey: () => ({
      apiKey: { ...apiKey, id: "key_2" },
      secretKey: "sk_rotated_secret",
      predecessor: { ...apiKey, successorId: "key_2" },
    }),
    getApiKeyUsage: () => ({
      lastUse: use,
      dailyUses: [{ date: "2026-11-23", calls: 5_000_000_000n }],
      addressUses: [{ address: "203.0.113.7", calls: 7n, lastTime: createTime }],
    }),
    reportLeakedKey: () => ({ accessKey: "sa_x", state: ApiKeyState.DISABLED }),
  });
  router.service(AllowlistService, {
    createAllowlistEntry: () => ({ allowlistEntry: entry }),
    getAllowlistEntry: () => ({ allowlistEntry: entry }),
    listAllowlistEntries: () => ({ allowlistEntries: [entry] }),
    updateAllowlistEntry: () => ({ allowlistEntry: { ...entry, expireTime: createTime } }),
    deleteAllowlistEntry: () => ({}),
    getAllowlist: () => ({ allowlist: { ...allowlist, entryCount: 1 } }),
    updateAllowlist: () => ({ allowlist }),
    testAddress: () => ({
      decidingResourceId: resourceId,
      verdicts: [
        { resourceId: "org_1", level: AllowlistLevel.ORGANIZATION, outcome: 2, entry },
        { resourceId, level: AllowlistLevel.API_KEY, outcome: AllowlistOutcome.REFUSED },
      ],
    }),
    suggestAllowlistEntries: () => ({
      suggestions: [{ cidr: "203.0.113.7/32", calls: 3n, lastTime: createTime }],
    }),
  });
  router.service(OrganizationService, {
    updateOrganization: () => ({
      organization: { id: "org_1", createTime, maxApiKeyLifetime: { seconds: 3600n } },
    }),
  });
  router.service(AuthService, {
    login: () => ({
      tokens: { accessToken: "at", accessTokenExpireTime: timestampFromMs(Date.now() + 900_000) },
    }),
  });
}

/** A client, and what the last request said, in the contract's JSON. */
async function open() {
  const server = await startServer(routes);
  const said = (input: DescMessage) => {
    const body = server.requests.at(-1)?.body as Buffer;
    return toJson(input, fromBinary(input, body)) as Record<string, unknown>;
  };
  return { client: new Client({ baseUrl: server.baseUrl, ...credentials }), said, server };
}

const keys = ApiKeyService.method;
const lists = AllowlistService.method;
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

test("a key is plain data: what there is none of is undefined", async () => {
  const { client } = await open();
  expect(await client.apiKeys.get({ apiKeyId })).toEqual({
    id: apiKeyId,
    serviceAccountId: "",
    accessKey: "",
    name: "",
    description: "",
    labels: { env: "test" },
    state: "disabled",
    permissions: [],
    rateLimit: { requestsPerSecond: 5, burst: undefined },
    etag: "v2",
    createTime: date,
    updateTime: date,
    expireTime: date,
    disableTime: date,
    revokeTime: undefined,
    revokeReason: "",
    predecessorId: "key_0",
    successorId: undefined,
    lastUse: { ...use, time: date },
    successorLastUse: undefined,
    leakTime: date,
    leakSource: "a commit",
  });
});

test("issue sends what is given: no permissions at all are not the same as all", async () => {
  const { client, said } = await open();
  await client.serviceAccounts.issueKey({
    serviceAccountId: resourceId,
    name: "Build server",
    labels: { env: "test" },
    expireTime: date,
    permissions: [],
    rateLimit: { requestsPerSecond: 5, burst: 9 },
  });
  expect(said(keys.issueApiKey.input)).toEqual({
    serviceAccountId: resourceId,
    name: "Build server",
    labels: { env: "test" },
    expireTime: date.toISOString(),
    permissionLimit: {},
    rateLimit: { requestsPerSecond: 5, burst: 9 },
    requestId: uuid,
  });
  await client.apiKeys.issue({ serviceAccountId: resourceId });
  expect(said(keys.issueApiKey.input)).not.toHaveProperty("permissionLimit");
});

test.each([
  [{ name: "", labels: {} }, { updateMask: "name,labels" }],
  [{ expireTime: date }, { updateMask: "expireTime", expireTime: date.toISOString() }],
  [{ expireTime: null }, { updateMask: "expireTime" }],
  [{ permissions: null, name: undefined }, { updateMask: "permissionLimit" }],
  [{ permissions: [] }, { updateMask: "permissionLimit", permissionLimit: {} }],
  [
    { rateLimit: null, etag: "v1" },
    { updateMask: "rateLimit", etag: "v1" },
  ],
  [
    { rateLimit: { requestsPerSecond: 2 }, description: "d" },
    {
      updateMask: "description,rateLimit",
      rateLimit: { requestsPerSecond: 2 },
      description: "d",
    },
  ],
])("update with %j says %j", async (fields, expected) => {
  const { client, said } = await open();
  await client.apiKeys.update({ apiKeyId, ...fields });
  expect(said(keys.updateApiKey.input)).toEqual({ apiKeyId, ...expected });
});

test("list asks for the whole organization's keys, or for fewer", async () => {
  const { client, said } = await open();
  await client.apiKeys.list().page();
  expect(said(keys.listApiKeys.input)).toEqual({});
  await client.apiKeys.list({ expireBefore: date, pageSize: 3 }).page();
  expect(said(keys.listApiKeys.input)).toEqual({ expireBefore: date.toISOString(), pageSize: 3 });
});

test("disable, enable, revoke and retire send what is given", async () => {
  const { client, said } = await open();
  await client.apiKeys.disable({ apiKeyId, etag: "v1" });
  expect(said(keys.disableApiKey.input)).toEqual({ apiKeyId, etag: "v1" });
  await client.apiKeys.enable({ apiKeyId, force: true });
  expect(said(keys.enableApiKey.input)).toEqual({ apiKeyId, force: true });
  await client.apiKeys.revoke({ apiKeyId, reason: "lost" });
  expect(said(keys.revokeApiKey.input)).toEqual({ apiKeyId, reason: "lost" });
  await client.apiKeys.retire({ apiKeyId, quietPeriodSeconds: 1.5 });
  expect(said(keys.retireApiKey.input)).toEqual({ apiKeyId, quietPeriod: "1.500s" });
  await client.apiKeys.retire({ apiKeyId, force: true });
  expect(said(keys.retireApiKey.input)).toEqual({ apiKeyId, force: true });
});

test("rotate: the successor holds its secret, and shows it only where it is asked for by name", async () => {
  const { client, said } = await open();
  const rotated = await client.apiKeys.rotate({ apiKeyId, overlapSeconds: 0, expireTime: date });
  const expireTime = date.toISOString();
  const sent = { apiKeyId, overlap: "0s", expireTime, requestId: uuid };
  expect(said(keys.rotateApiKey.input)).toEqual(sent);
  expect(rotated.key).toMatchObject({ id: "key_2", secretKey: "sk_rotated_secret" });
  expect(rotated.predecessor).toMatchObject({ id: apiKeyId, successorId: "key_2" });
  expect(rotated.predecessor).not.toHaveProperty("secretKey");
  for (const shown of [JSON.stringify(rotated), inspect(rotated), inspect([rotated], false, 9)]) {
    expect(shown).toContain("[redacted]");
    expect(shown).not.toContain("sk_rotated_secret");
  }
});

test("usage: numbers and Dates", async () => {
  const { client, said } = await open();
  expect(await client.apiKeys.usage({ apiKeyId, days: 7 })).toEqual({
    lastUse: { ...use, time: date },
    dailyUses: [{ date: "2026-11-23", calls: 5_000_000_000 }],
    addressUses: [{ address: "203.0.113.7", calls: 7, lastTime: date }],
  });
  expect(said(keys.getApiKeyUsage.input)).toEqual({ apiKeyId, days: 7 });
});

test("reportLeaked carries nobody's credentials, neither a key's nor a user's", async () => {
  const { client, said, server } = await open();
  const login = { email: "a@b.example", password: "p", organizationSlug: "myorg" };
  const user = new Client({ baseUrl: server.baseUrl, ...login });
  for (const reporter of [client, user]) {
    const report = await reporter.apiKeys.reportLeaked({ secretKey: "sk_found", source: "log" });
    expect(report).toEqual({ accessKey: "sa_x", state: "disabled" });
    expect(said(keys.reportLeakedKey.input)).toEqual({ secretKey: "sk_found", source: "log" });
    expect(server.requests.at(-1)?.headers).not.toHaveProperty("signature");
    expect(server.requests.at(-1)?.headers).not.toHaveProperty("authorization");
  }
  expect(server.requests).toHaveLength(2);
});

test("allowlist entries: added, got, listed, updated and removed", async () => {
  const { client, said } = await open();
  const { allowlists } = client;
  const plain = { ...entry, description: "", expireTime: undefined, createTime: date };
  const { cidr } = entry;
  const added = await allowlists.add({ resourceId, cidr, expireTime: date, force: true });
  expect(added).toEqual(plain);
  const expireTime = date.toISOString();
  const sent = { resourceId, cidr, expireTime, force: true, requestId: uuid };
  expect(said(lists.createAllowlistEntry.input)).toEqual(sent);
  expect(await allowlists.get({ allowlistEntryId: "alw_1" })).toEqual(plain);
  const page = await allowlists.list({ resourceId, pageSize: 3 }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: undefined });
  expect(said(lists.listAllowlistEntries.input)).toEqual({ resourceId, pageSize: 3 });
  const change = { allowlistEntryId: "alw_1", expireTime: null };
  expect(await allowlists.update(change)).toMatchObject({ expireTime: date });
  const told = { allowlistEntryId: "alw_1", updateMask: "expireTime" };
  expect(said(lists.updateAllowlistEntry.input)).toEqual(told);
  expect(await allowlists.remove({ allowlistEntryId: "alw_1", force: true })).toBeUndefined();
  const removed = { allowlistEntryId: "alw_1", force: true };
  expect(said(lists.deleteAllowlistEntry.input)).toEqual(removed);
});

test("allowlists themselves: got, switched, tested and suggested for", async () => {
  const { client, said } = await open();
  const { allowlists } = client;
  const got = { resourceId, level: "service_account", reportOnly: true, entryCount: 1 };
  expect(await allowlists.getAllowlist({ resourceId })).toEqual(got);
  await allowlists.setReportOnly({ resourceId, reportOnly: true });
  expect(said(lists.updateAllowlist.input)).toEqual({ resourceId, reportOnly: true });
  const address = "198.51.100.1";
  expect(await allowlists.testAddress({ resourceId, address })).toMatchObject({
    allowed: false,
    decidingResourceId: resourceId,
    verdicts: [
      { level: "organization", outcome: "allowed", entry: { id: "alw_1" } },
      { level: "api_key", outcome: "refused", entry: undefined },
    ],
  });
  expect(said(lists.testAddress.input)).toEqual({ resourceId, address });
  const suggested = { cidr: "203.0.113.7/32", calls: 3, lastTime: date, covered: false };
  expect(await allowlists.suggest({ resourceId })).toEqual([suggested]);
});

test.each([
  [{ name: "New" }, { updateMask: "name", name: "New" }],
  [
    { maxApiKeyLifetimeSeconds: 7200 },
    { updateMask: "maxApiKeyLifetime", maxApiKeyLifetime: "7200s" },
  ],
  [{ maxApiKeyLifetimeSeconds: null }, { updateMask: "maxApiKeyLifetime" }],
  [
    { maxApiKeysPerServiceAccount: 3 },
    { updateMask: "maxApiKeysPerServiceAccount", maxApiKeysPerServiceAccount: 3 },
  ],
])("the organization is updated with %j: says %j", async (fields, expected) => {
  const { client, said } = await open();
  const organization = await client.organizations.update(fields);
  expect(organization.maxApiKeyLifetimeSeconds).toBe(3600);
  expect(said(OrganizationService.method.updateOrganization.input)).toEqual(expected);
});

test.each([
  ["overlapSeconds", (client: Client) => client.apiKeys.rotate({ apiKeyId, overlapSeconds: NaN })],
  [
    "quietPeriodSeconds",
    (client: Client) => client.apiKeys.retire({ apiKeyId, quietPeriodSeconds: "600" as never }),
  ],
  [
    "expireTime",
    (client: Client) => client.apiKeys.update({ apiKeyId, expireTime: new Date("soon") }),
  ],
  [
    "expireTime",
    (client: Client) =>
      client.allowlists.add({ resourceId, cidr: "::/0", expireTime: "2030-01-01" as never }),
  ],
])("a wrong %s: a TypeError that names it, and nothing is sent", async (name, call) => {
  const { client, server } = await open();
  await expect(call(client)).rejects.toThrow(TypeError);
  await expect(call(client)).rejects.toThrow(name);
  expect(server.requests).toEqual([]);
});
