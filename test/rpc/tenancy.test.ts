import { randomUUID } from "node:crypto";
import { Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { dataKeyContext, newDataKey, seal } from "../../src/auth/sealing.ts";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { newId } from "../../src/ids.ts";
import { refusalOf } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let ours: TestKey;
/** An administrator of another organization of the same service. */
let stranger: Client;

beforeAll(async () => {
  service = await TestService.start();
  ours = await service.issueKey();
  stranger = await otherAdministrator();
});
afterAll(() => service[Symbol.asyncDispose]());

async function otherAdministrator(): Promise<Client> {
  const { masterKey } = service.service.app;
  const id = newId("org");
  const sealed = seal(masterKey.key, newDataKey(), dataKeyContext(id));
  const insert = (table: string, row: Record<string, unknown>) =>
    service.database.query(
      `insert into ${table} (${Object.keys(row).join(", ")}) values (${Object.keys(row)
        .map((_, i) => `$${i + 1}`)
        .join(", ")})`,
      Object.values(row),
    );
  await insert("organizations", { id, slug: "other", name: "Other", sealed_data_key: sealed });
  await insert("accounts", { organization_id: id, id: "acc-123", name: "", description: "" });
  const login = { email: "admin@other.example", password: "another long password" };
  const userId = newId("usr");
  await insert("users", {
    id: userId,
    organization_id: id,
    email: login.email,
    name: "Administrator",
    password_hash: await hashPassword(login.password),
  });
  await insert("policy_attachments", {
    organization_id: id,
    policy_id: administratorPolicyId,
    target_id: userId,
  });
  return new Client({ baseUrl: service.httpUrl, organizationSlug: "other", ...login });
}

test("what belongs to another organization is not there", async () => {
  const { serviceAccountId, apiKeyId } = ours;
  const [address, cidr] = ["192.0.2.1", "192.0.2.0/24"];
  await service.admin.accounts.create({ accountId: "acc-ours" });
  const { id } = await service.admin.allowlists.add({ resourceId: "acc-ours", cidr });
  const entry = { allowlistEntryId: id };
  const attempts = {
    getServiceAccount: () => stranger.serviceAccounts.get({ serviceAccountId }),
    update: () => stranger.serviceAccounts.update({ serviceAccountId, name: "Mine" }),
    disable: () => stranger.serviceAccounts.disable({ serviceAccountId }),
    enable: () => stranger.serviceAccounts.enable({ serviceAccountId }),
    delete: () => stranger.serviceAccounts.delete({ serviceAccountId }),
    undelete: () => stranger.serviceAccounts.undelete({ serviceAccountId }),
    issueKey: () => stranger.serviceAccounts.issueKey({ serviceAccountId }),
    getKey: () => stranger.apiKeys.get({ apiKeyId }),
    listKeys: () => stranger.apiKeys.list({ serviceAccountId }).page(),
    revoke: () => stranger.apiKeys.revoke({ apiKeyId }),
    updateKey: () => stranger.apiKeys.update({ apiKeyId, name: "Mine" }),
    disableKey: () => stranger.apiKeys.disable({ apiKeyId }),
    enableKey: () => stranger.apiKeys.enable({ apiKeyId }),
    rotate: () => stranger.apiKeys.rotate({ apiKeyId }),
    retire: () => stranger.apiKeys.retire({ apiKeyId }),
    usage: () => stranger.apiKeys.usage({ apiKeyId }),
    addOrganizationEntry: () =>
      stranger.allowlists.add({ resourceId: service.organizationId, cidr }),
    addKeyEntry: () => stranger.allowlists.add({ resourceId: apiKeyId, cidr }),
    addAccountEntry: () => stranger.allowlists.add({ resourceId: "acc-ours", cidr }),
    getEntry: () => stranger.allowlists.get(entry),
    updateEntry: () => stranger.allowlists.update({ ...entry, description: "Mine" }),
    removeEntry: () => stranger.allowlists.remove(entry),
    listEntries: () => stranger.allowlists.list({ resourceId: apiKeyId }).page(),
    getAllowlist: () => stranger.allowlists.getAllowlist({ resourceId: apiKeyId }),
    report: () => stranger.allowlists.setReportOnly({ resourceId: apiKeyId, reportOnly: true }),
    testAddress: () => stranger.allowlists.testAddress({ resourceId: apiKeyId, address }),
    suggest: () => stranger.allowlists.suggest({ resourceId: serviceAccountId }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    const refusal = await refusalOf(attempt() as Promise<unknown>);
    expect(refusal, name).toMatchObject({ code: "not_found", reason: "RESOURCE_NOT_FOUND" });
  }
  await service.signed(ours).organizations.getInfo();
});

test("lists and the audit log show nothing of another organization", async () => {
  expect(await Array.fromAsync(stranger.serviceAccounts.list())).toEqual([]);
  expect(await Array.fromAsync(stranger.apiKeys.list())).toEqual([]);
  const events = await Array.fromAsync(stranger.auditEvents.list());
  expect(events.length).toBeGreaterThan(0);
  expect(events.map(({ principalId }) => principalId)).not.toContain(
    service.first.administrator.id,
  );
  expect((await stranger.organizations.getInfo()).slug).toBe("other");
});

test("an allowlist of one organization's account does not count for another's of that name", async () => {
  const here = { resourceId: "acc-123", cidr: "192.0.2.0/24" };
  const { id } = await service.admin.allowlists.add(here);
  const { entryCount } = await stranger.allowlists.getAllowlist({ resourceId: "acc-123" });
  expect(entryCount).toBe(0);
  const account = await stranger.serviceAccounts.create({ accountId: "acc-123", name: "There" });
  const key = await stranger.apiKeys.issue({ serviceAccountId: account.id });
  const there = { ...key, secretKey: key.secretKey, apiKeyId: key.id };
  await service.signed(there).organizations.getInfo();
  await service.admin.allowlists.remove({ allowlistEntryId: id });
});

test("two organizations may use the same account and request identifiers", async () => {
  const request = { accountId: "acc-123", name: "Same", requestId: randomUUID() };
  const here = await service.admin.serviceAccounts.create(request);
  const there = await stranger.serviceAccounts.create(request);
  expect(there.id).not.toBe(here.id);
});
