import { randomUUID } from "node:crypto";
import { Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { dataKeyContext, newDataKey, seal } from "../../src/auth/sealing.ts";
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
  await insert("users", {
    id: newId("usr"),
    organization_id: id,
    email: login.email,
    name: "Administrator",
    password_hash: await hashPassword(login.password),
    administrator: true,
  });
  return new Client({ baseUrl: service.httpUrl, organizationSlug: "other", ...login });
}

test("what belongs to another organization is not there", async () => {
  const { serviceAccountId, apiKeyId } = ours;
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
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    const refusal = await refusalOf(attempt() as Promise<unknown>);
    expect(refusal, name).toMatchObject({ code: "not_found", reason: "RESOURCE_NOT_FOUND" });
  }
  await service.signed(ours).organizations.getInfo();
});

test("lists and the audit log show nothing of another organization", async () => {
  expect(await Array.fromAsync(stranger.serviceAccounts.list())).toEqual([]);
  const events = await Array.fromAsync(stranger.auditEvents.list());
  expect(events.length).toBeGreaterThan(0);
  expect(events.map(({ principalId }) => principalId)).not.toContain(
    service.first.administrator.id,
  );
  expect((await stranger.organizations.getInfo()).slug).toBe("other");
});

test("two organizations may use the same account and request identifiers", async () => {
  const request = { accountId: "acc-123", name: "Same", requestId: randomUUID() };
  const here = await service.admin.serviceAccounts.create(request);
  const there = await stranger.serviceAccounts.create(request);
  expect(there.id).not.toBe(here.id);
});
