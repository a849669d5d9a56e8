import { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const refused = { code: "unauthenticated", reason: "SIGNATURE_INVALID" };

describe("an API key", () => {
  test("is issued with a secret that nothing shows again", async () => {
    const key = await service.issueKey();
    expect(key.accessKey).toMatch(/^sa_myorg_acc123_[0-9A-Za-z]{16}$/);
    expect(key.secretKey).toMatch(/^sk_[0-9A-Za-z]{49}$/);
    const read = await service.admin.apiKeys.get({ apiKeyId: key.apiKeyId });
    const page = await service.admin.apiKeys
      .list({ serviceAccountId: key.serviceAccountId })
      .page();
    for (const answer of [{ ...read }, page]) {
      expect(JSON.stringify(answer)).toContain(key.accessKey);
      expect(JSON.stringify(answer)).not.toContain(key.secretKey);
    }
    const tables = [
      "api_keys",
      "audit_pending",
      "audit_entries",
      "idempotent_requests",
      "organizations",
    ];
    for (const table of tables) {
      const rows = await service.database.query(`select t::text as row from ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(key.secretKey);
      expect(JSON.stringify(rows)).not.toContain(Buffer.from(key.secretKey).toString("hex"));
    }
    expect(service.log.join("")).not.toContain(key.secretKey);
  });

  test("is given again to its own issuer's retry, and to nobody else", async () => {
    const { serviceAccountId } = await service.issueKey();
    const requestId = crypto.randomUUID();
    const issue = () => service.admin.serviceAccounts.issueKey({ serviceAccountId, requestId });
    const first = await issue();
    const second = await issue();
    expect({ ...second }).toEqual({ ...first });
    const other = service.signed(await service.issueKey());
    const third = await other.serviceAccounts.issueKey({ serviceAccountId, requestId });
    expect(third.id).not.toBe(first.id);
    const own = await service.issueKey();
    const issued = await service.admin.apiKeys.issue({ serviceAccountId: own.serviceAccountId });
    const sibling = service.signed({ ...own, ...issued, secretKey: issued.secretKey });
    const [one, two] = [service.signed(own), sibling].map((client) =>
      client.serviceAccounts.issueKey({ serviceAccountId, requestId }),
    );
    expect((await one)?.id).not.toBe((await two)?.id);
  });

  test("is refused from the moment that its revocation is answered, on every replica", async () => {
    const replica = await service.replica();
    for (let round = 0; round < 5; round++) {
      const key = await service.issueKey();
      const clients = [service.httpUrl, replica.httpUrl].map(
        (baseUrl) => new Client({ baseUrl, ...key }),
      );
      for (const client of clients) await client.organizations.getInfo();
      await service.admin.apiKeys.revoke({ apiKeyId: key.apiKeyId });
      for (const client of clients) {
        expect(await refusalOf(client.organizations.getInfo())).toMatchObject(refused);
      }
      const [event] = await service.auditRows(
        "api_key_id = $1 and reason = 'API_KEY_REVOKED'",
        [key.apiKeyId],
        2,
      );
      expect(event?.principal_id).toBe(key.serviceAccountId);
    }
  });

  test("is refused while its service account is disabled or deleted", async () => {
    const key = await service.issueKey();
    const client = service.signed(key);
    const { serviceAccountId } = key;
    const { serviceAccounts } = service.admin;
    const works = () => client.organizations.getInfo();
    await works();
    await serviceAccounts.disable({ serviceAccountId });
    expect(await refusalOf(works())).toMatchObject(refused);
    await serviceAccounts.enable({ serviceAccountId });
    await works();
    await serviceAccounts.delete({ serviceAccountId });
    expect(await refusalOf(works())).toMatchObject(refused);
    await serviceAccounts.undelete({ serviceAccountId });
    await works();
  });

  test("loses a permission at once when its service account does", async () => {
    const key = await service.issueKey(["Accounts.read"]);
    const client = service.signed(key);
    await client.accounts.get({ accountId: "acc-123" });
    await service.admin.serviceAccounts.update({
      serviceAccountId: key.serviceAccountId,
      permissions: [],
    });
    expect(await refusalOf(client.accounts.get({ accountId: "acc-123" }))).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
  });

  test("admits no call that began after its revocation, of many at once", async () => {
    const key = await service.issueKey();
    const client = service.signed(key);
    await client.organizations.getInfo();
    let revoked = false;
    const late: string[] = [];
    const callers = Array.from({ length: 20 }, async () => {
      for (let call = 0; call < 30; call++) {
        const beganAfter = revoked;
        const answer = await client.organizations.getInfo().then(
          () => "OK",
          () => "refused",
        );
        if (beganAfter) late.push(answer);
      }
    });
    await service.admin.apiKeys.revoke({ apiKeyId: key.apiKeyId });
    revoked = true;
    await Promise.all(callers);
    expect(late.length).toBeGreaterThan(0);
    expect(late.filter((answer) => answer === "OK")).toEqual([]);
  });

  test("that nobody issued reads the same as one with a wrong secret", async () => {
    const key = await service.issueKey();
    const unknown = service.signed({ ...key, accessKey: "sa_myorg_acc123_0000000000000000" });
    const wrong = service.signed({ ...key, secretKey: `${key.secretKey}x` });
    const [first, second] = await Promise.all(
      [unknown, wrong].map((client) => refusalOf(client.organizations.getInfo())),
    );
    expect(first).toEqual(second);
    expect(first).toMatchObject(refused);
  });

  test("of a disabled service account is not issued", async () => {
    const { serviceAccountId } = await service.issueKey();
    await service.admin.serviceAccounts.disable({ serviceAccountId });
    const issue = service.admin.serviceAccounts.issueKey({ serviceAccountId });
    expect(await refusalOf(issue)).toMatchObject({ reason: "RESOURCE_DISABLED" });
  });
});

test("a cached key makes no query to Postgres to be authenticated", async () => {
  const key = await service.issueKey(["ServiceAccounts.read"]);
  const client = service.signed(key);
  await client.organizations.getInfo();
  const asked = queriesDuring(service, async () => {
    for (let call = 0; call < 20; call++) await client.organizations.getInfo();
  });
  expect(await asked).toEqual([]);
  // What shows no query when there is one would prove nothing.
  const control = queriesDuring(service, () => client.serviceAccounts.list().page());
  expect(await control).toEqual([expect.stringContaining("service_accounts")]);
});

/** The queries of the service, but for those that it makes in the background. */
async function queriesDuring(of: TestService, work: () => Promise<unknown>): Promise<string[]> {
  const executor = of.service.app.db.getExecutor();
  const spy = vi.spyOn(executor, "executeQuery");
  try {
    await work();
    const texts = spy.mock.calls.map(([query]) => query.sql);
    const own = /access_epoch_time|^select 1|\baudit_|api_key_uses/;
    return texts.filter((text) => !own.test(text));
  } finally {
    spy.mockRestore();
  }
}
