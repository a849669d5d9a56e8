import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { holdOrganization, waiting } from "../harness/locks.ts";
import { connectRefusal, postHttp, type RawAnswer, signedHeaders } from "../harness/raw.ts";
import { administrator, type TestKey, TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

/** Sends a signed request whose body's last byte comes when it is asked for. */
function late(key: TestKey, path: string, body: string) {
  const url = service.httpUrl + path;
  const send = Promise.withResolvers<void>();
  const answer = postHttp(url, signedHeaders(key, url, "application/json", body), (sink) => {
    sink.write(Buffer.from(body.slice(0, -1)));
    void send.promise.then(() => {
      sink.write(Buffer.from(body.slice(-1)));
      sink.end();
    });
  });
  return { answer, send: send.resolve };
}

/** Until the service has admitted so many calls of a key. */
async function admitted(): Promise<void> {
  await delay(400);
}

const refusedBy = ({ status, ...answer }: RawAnswer) =>
  status === 200 ? "OK" : connectRefusal({ status, ...answer }).reason;

describe("a call that was admitted before a revocation, and whose body comes after it", () => {
  test("changes nothing, and reads nothing", async () => {
    const key = await service.issueKey();
    const { serviceAccountId } = key;
    const body = JSON.stringify({ serviceAccountId });
    const calls = [
      late(key, "/pdaas.v1.ApiKeyService/IssueApiKey", body),
      late(
        key,
        "/pdaas.v1.ServiceAccountService/CreateServiceAccount",
        '{"accountId":"acc-123","name":"x"}',
      ),
      late(key, "/pdaas.v1.AuthService/WhoAmI", "{}"),
    ];
    await admitted();
    await service.admin.apiKeys.revoke({ apiKeyId: key.apiKeyId });
    for (const { send } of calls) send();
    const answers = await Promise.all(calls.map(({ answer }) => answer.then(refusedBy)));
    expect(answers).toEqual(["SIGNATURE_INVALID", "SIGNATURE_INVALID", "SIGNATURE_INVALID"]);
    const keys = await service.admin.apiKeys.list({ serviceAccountId }).page();
    expect(keys.items).toHaveLength(1);
  });

  test("is served when nothing has changed", async () => {
    const key = await service.issueKey([]);
    const { answer, send } = late(key, "/pdaas.v1.AuthService/WhoAmI", "{}");
    await admitted();
    send();
    expect((await answer).status).toBe(200);
  });

  test("ends with its session", async () => {
    const login = await postHttp(
      `${service.httpUrl}/pdaas.v1.AuthService/Login`,
      { "content-type": "application/json" },
      JSON.stringify(administrator),
    );
    const { accessToken } = JSON.parse(login.body).tokens;
    const headers = { "content-type": "application/json", authorization: `Bearer ${accessToken}` };
    const send = Promise.withResolvers<void>();
    const url = `${service.httpUrl}/pdaas.v1.AccountService/CreateAccount`;
    const answer = postHttp(url, headers, (sink) => {
      sink.write(Buffer.from("{"));
      void send.promise.then(() => {
        sink.write(Buffer.from("}"));
        sink.end();
      });
    });
    await admitted();
    await postHttp(`${service.httpUrl}/pdaas.v1.AuthService/Logout`, headers, "{}");
    send.resolve();
    expect(refusedBy(await answer)).toBe("SESSION_ENDED");
  });
});

test("a change that waits behind a revocation is refused", async () => {
  const key = await service.issueKey();
  const client = service.signed(key);
  await client.organizations.getInfo();
  const holder = await holdOrganization(service);
  const change = client.serviceAccounts
    .create({ accountId: "acc-123", name: "Too late" })
    .catch((error) => error.reason);
  await waiting(service, 1);
  await holder.query("update api_keys set revoke_time = now() where id = $1", [key.apiKeyId]);
  await holder.query("update organizations set access_epoch = access_epoch + 1");
  await holder.release();
  expect(await change).toBe("SIGNATURE_INVALID");
  const made = "select id from service_accounts where name = 'Too late'";
  expect(await service.database.query(made)).toEqual([]);
});
