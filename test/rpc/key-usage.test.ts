import { Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withHeaders } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ PDAAS_TRUSTED_PROXIES: "127.0.0.1/32" });
});
afterAll(() => service[Symbol.asyncDispose]());

const patience = { timeout: 10_000 };
const from = (address: string) => [withHeaders({ "x-forwarded-for": address })];
const total = (uses: { calls: number }[]) => uses.reduce((sum, { calls }) => sum + calls, 0);

test("every use is counted, on all replicas together", async () => {
  const replica = await service.replica({ PDAAS_TRUSTED_PROXIES: "127.0.0.1/32" });
  const key = await service.issueKey();
  const { apiKeyId } = key;
  const clients = [
    new Client({ baseUrl: service.httpUrl, ...key, interceptors: from("203.0.113.7") }),
    new Client({
      baseUrl: replica.httpUrl,
      ...key,
      interceptors: from("2001:db8::1"),
      userAgent: "builder/1",
    }),
  ];
  for (const client of clients) {
    await Promise.all(Array.from({ length: 30 }, () => client.organizations.getInfo()));
  }
  await clients[1]?.whoAmI();
  const usage = () => service.admin.apiKeys.usage({ apiKeyId });
  await expect.poll(async () => total((await usage()).dailyUses), patience).toBe(61);
  const { lastUse, addressUses, dailyUses } = await usage();
  expect(lastUse).toMatchObject({ rpc: "WhoAmI", address: "2001:db8::1" });
  expect(lastUse?.userAgent).toMatch(/^builder\/1 /);
  expect(Math.abs(Number(lastUse?.time) - Date.now())).toBeLessThan(15_000);
  const byAddress = Object.fromEntries(addressUses.map((use) => [use.address, use.calls]));
  expect(byAddress).toEqual({ "203.0.113.7": 30, "2001:db8::/64": 31 });
  for (const { date } of dailyUses) expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
});

test("a refused signature is no use of its key", async () => {
  const key = await service.issueKey();
  const wrong = service.signed({ ...key, secretKey: `${key.secretKey}x` });
  await expect(wrong.organizations.getInfo()).rejects.toThrow();
  await service.signed(key).organizations.getInfo();
  const calls = async () =>
    total((await service.admin.apiKeys.usage({ apiKeyId: key.apiKeyId })).dailyUses);
  await expect.poll(calls, patience).toBe(1);
});

test("what was counted is written when the service stops", async () => {
  const replica = await service.replica();
  const key = await service.issueKey();
  const client = new Client({ baseUrl: replica.httpUrl, ...key });
  for (let call = 0; call < 5; call++) await client.organizations.getInfo();
  await replica.close();
  const { dailyUses } = await service.admin.apiKeys.usage({ apiKeyId: key.apiKeyId });
  expect(total(dailyUses)).toBe(5);
});

test("a key that was never used has no use", async () => {
  const { apiKeyId } = await service.issueKey();
  expect(await service.admin.apiKeys.usage({ apiKeyId })).toEqual({
    lastUse: undefined,
    dailyUses: [],
    addressUses: [],
  });
});

test("uses of a key that is gone hold up nobody else's", async () => {
  const gone = await service.issueKey();
  const stays = await service.issueKey();
  await service.signed(gone).organizations.getInfo();
  await service.signed(stays).organizations.getInfo();
  await service.database.query("delete from api_keys where id = $1", [gone.apiKeyId]);
  const calls = async () =>
    total((await service.admin.apiKeys.usage({ apiKeyId: stays.apiKeyId })).dailyUses);
  await expect.poll(calls, patience).toBe(1);
});
