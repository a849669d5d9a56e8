import { inspect } from "node:util";
import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AccountService } from "../../../gen/pdaas/v1/account_service_pb.ts";
import { ApiKeyService, ApiKeyState } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuditOutcome, AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService, PrincipalType } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import {
  ServiceAccountService,
  ServiceAccountState,
} from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { Client } from "../src/index.ts";
import { startServer } from "./support/server.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const createTime = timestampFromMs(1_700_000_000_123);
const date = new Date(1_700_000_000_123);
const id = "svc_1";

const answered = {
  serviceAccount: {
    id,
    accountId: "acc-123",
    name: "Bot",
    permissions: ["ServiceAccounts.read"],
    state: ServiceAccountState.DISABLED,
    etag: "v2",
    createTime,
    updateTime: createTime,
    rateLimit: { requestsPerSecond: 5, burst: 50 },
  },
};
const apiKey = { id: "key_1", accessKey: "sa_x", state: ApiKeyState.ACTIVE, createTime };
const account = { id: "acc-123", name: "Main", description: "d", createTime };

/** Three pages, the last of them without another. */
const pageOf = (token: string) => ({ "": "b", b: "c", c: "" })[token] as string;

function routes(router: ConnectRouter): void {
  const serviceAccount = () => answered;
  router.service(ServiceAccountService, {
    createServiceAccount: serviceAccount,
    getServiceAccount: serviceAccount,
    updateServiceAccount: serviceAccount,
    disableServiceAccount: serviceAccount,
    enableServiceAccount: serviceAccount,
    deleteServiceAccount: serviceAccount,
    undeleteServiceAccount: serviceAccount,
    listServiceAccounts: ({ pageToken }) => ({
      serviceAccounts: [0, 1].map((n) => ({ ...answered.serviceAccount, id: `${pageToken}${n}` })),
      nextPageToken: pageOf(pageToken),
    }),
  });
  router.service(ApiKeyService, {
    issueApiKey: () => ({ apiKey, secretKey: "sk_issued_secret" }),
    getApiKey: () => ({ apiKey }),
    listApiKeys: () => ({ apiKeys: [apiKey] }),
    revokeApiKey: () => ({
      apiKey: { ...apiKey, state: ApiKeyState.REVOKED, revokeTime: createTime },
    }),
  });
  router.service(AccountService, {
    createAccount: () => ({ account }),
    getAccount: () => ({ account }),
    listAccounts: () => ({ accounts: [account] }),
  });
  router.service(OrganizationService, {
    getOrganization: () => ({
      organization: { id: "org_1", slug: "myorg", createTime, maxApiKeysPerServiceAccount: 10 },
    }),
  });
  router.service(AuditService, {
    listAuditEvents: () => ({
      auditEvents: [{ id: "evt_1", time: createTime, outcome: AuditOutcome.REFUSED }],
    }),
  });
  router.service(AuthService, {
    whoAmI: () => ({
      principal: { type: PrincipalType.SERVICE_ACCOUNT, id, permissions: ["*"] },
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
  return { client: new Client({ baseUrl: server.baseUrl, ...key }), said, server };
}

const accounts = ServiceAccountService.method;
const uuid = expect.stringMatching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
);

test("a service account is plain data: names for states, Dates for times", async () => {
  const { client } = await open();
  const got = await client.serviceAccounts.get({ serviceAccountId: id });
  expect(got).toEqual({
    id,
    accountId: "acc-123",
    name: "Bot",
    description: "",
    permissions: ["ServiceAccounts.read"],
    state: "disabled",
    etag: "v2",
    createTime: date,
    updateTime: date,
    deleteTime: undefined,
    purgeTime: undefined,
    rateLimit: { requestsPerSecond: 5, burst: 50 },
  });
  expect(JSON.parse(JSON.stringify(got)).createTime).toBe(date.toISOString());
});

test("create sends what is given, with a UUID as the request id unless one is given", async () => {
  const { client, said } = await open();
  const permissions = ["ServiceAccounts.read"] as const;
  await client.serviceAccounts.create({ accountId: "acc-123", name: "Bot", permissions });
  const sent = { accountId: "acc-123", name: "Bot", permissions: ["ServiceAccounts.read"] };
  expect(said(accounts.createServiceAccount.input)).toEqual({ ...sent, requestId: uuid });
  await client.serviceAccounts.create({ accountId: "a", name: "b", requestId: "my-request" });
  expect(said(accounts.createServiceAccount.input)).toMatchObject({ requestId: "my-request" });
  await client.apiKeys.issue({ serviceAccountId: id, description: "d" });
  const issued = said(ApiKeyService.method.issueApiKey.input);
  expect(issued).toEqual({ serviceAccountId: id, description: "d", requestId: uuid });
  await client.accounts.create({ accountId: "acc-9" });
  const created = said(AccountService.method.createAccount.input);
  expect(created).toEqual({ accountId: "acc-9", requestId: uuid });
});

test.each([
  [{ name: "New" }, "name"],
  [{ description: "" }, "description"],
  [{ permissions: [] }, "permissions"],
  [{ permissions: ["*"], name: "New" }, "name,permissions"],
  [{ name: undefined, description: "d" }, "description"],
  [{ rateLimit: { requestsPerSecond: 1 } }, "rateLimit"],
  [{ rateLimit: null, name: "New" }, "name,rateLimit"],
  [{ etag: "v1" }, ""],
])("update with %j: the update mask is %j", async (fields, updateMask) => {
  const { client, said } = await open();
  await client.serviceAccounts.update({ serviceAccountId: id, ...fields });
  expect(said(accounts.updateServiceAccount.input)).toMatchObject({ updateMask });
});

test.each(["disable", "enable", "delete", "undelete"] as const)(
  "%s sends the identifier and the etag",
  async (change) => {
    const { client, said, server } = await open();
    const got = await client.serviceAccounts[change]({ serviceAccountId: id, etag: "v1" });
    expect(got.id).toBe(id);
    const name = `${change[0]?.toUpperCase()}${change.slice(1)}ServiceAccount`;
    expect(server.requests[0]?.target).toBe(`/pdaas.v1.ServiceAccountService/${name}`);
    const { input } = accounts[`${change}ServiceAccount`];
    expect(said(input)).toEqual({ serviceAccountId: id, etag: "v1" });
  },
);

test("a listing: nothing is asked before it is read, then page after page", async () => {
  const { client, said, server } = await open();
  const listing = client.serviceAccounts.list({ accountId: "acc-123", pageSize: 2 });
  expect(server.requests).toEqual([]);
  const ids = [];
  for await (const serviceAccount of listing) ids.push(serviceAccount.id);
  expect(ids).toEqual(["0", "1", "b0", "b1", "c0", "c1"]);
  expect(server.requests).toHaveLength(3);
  const last = said(accounts.listServiceAccounts.input);
  expect(last).toEqual({ accountId: "acc-123", pageSize: 2, pageToken: "c" });
});

test("a listing that is left early: no page is asked for beyond", async () => {
  const { client, server } = await open();
  for await (const serviceAccount of client.serviceAccounts.list()) {
    if (serviceAccount.id === "b0") break;
  }
  expect(server.requests).toHaveLength(2);
});

test("one page of a listing, from a page token on", async () => {
  const { client } = await open();
  const first = await client.serviceAccounts.list().page();
  expect(first.nextPageToken).toBe("b");
  const last = await client.serviceAccounts.list({ pageToken: "c" }).page();
  expect(last.items.map((item) => item.id)).toEqual(["c0", "c1"]);
  expect(last.nextPageToken).toBeUndefined();
});

test("an issued key holds its secret, and shows it only where it is asked for by name", async () => {
  const { client } = await open();
  const issued = await client.serviceAccounts.issueKey({ serviceAccountId: id });
  expect(issued.secretKey).toBe("sk_issued_secret");
  expect({ ...issued }).toMatchObject({ accessKey: "sa_x", secretKey: "sk_issued_secret" });
  for (const shown of [JSON.stringify({ issued }), inspect({ issued }), inspect([[issued]])]) {
    expect(shown).toContain("[redacted]");
    expect(shown).not.toContain("sk_issued_secret");
  }
});

test("API keys: got, listed and revoked", async () => {
  const { client } = await open();
  const got = await client.apiKeys.get({ apiKeyId: "key_1" });
  expect(got).toMatchObject({ id: "key_1", state: "active", createTime: date });
  expect(got).not.toHaveProperty("secretKey");
  const listed = await client.apiKeys.list({ serviceAccountId: id }).page();
  expect(listed).toEqual({ items: [got], nextPageToken: undefined });
  const revoked = await client.apiKeys.revoke({ apiKeyId: "key_1" });
  expect(revoked).toMatchObject({ state: "revoked", revokeTime: date });
});

test("accounts, the organization and the caller", async () => {
  const { client } = await open();
  const main = { ...account, createTime: date };
  expect(await client.accounts.get({ accountId: "acc-123" })).toEqual(main);
  expect((await client.accounts.list().page()).items).toEqual([main]);
  const organization = {
    id: "org_1",
    slug: "myorg",
    name: "",
    createTime: date,
    maxApiKeyLifetimeSeconds: undefined,
    maxApiKeysPerServiceAccount: 10,
  };
  expect(await client.organizations.getInfo()).toEqual(organization);
  expect(await client.whoAmI()).toMatchObject({ type: "service_account", permissions: ["*"] });
});

test("audit events: filtered with Dates and names", async () => {
  const { client, said } = await open();
  const filters = { startTime: date, action: "IssueApiKey", outcome: "refused" } as const;
  const { items } = await client.auditEvents.list(filters).page();
  expect(items).toMatchObject([{ id: "evt_1", time: date, outcome: "refused" }]);
  expect(said(AuditService.method.listAuditEvents.input)).toEqual({
    startTime: date.toISOString(),
    action: "IssueApiKey",
    outcome: "AUDIT_OUTCOME_REFUSED",
  });
});
