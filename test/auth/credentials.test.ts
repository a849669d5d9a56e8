import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

/** How often a credential is read from the database during some work. */
async function readsDuring(work: () => Promise<unknown>): Promise<number> {
  const spy = vi.spyOn(service.service.app.db.getExecutor(), "executeQuery");
  try {
    await work();
    return spy.mock.calls.filter(([query]) => query.sql.includes("sealed_secret")).length;
  } finally {
    spy.mockRestore();
  }
}

const get = (accessKey: string) => service.service.app.credentials.get(accessKey);

test("a miss costs one query, and concurrent misses for one key share it", async () => {
  const { accessKey } = await service.issueKey();
  const all = () => Promise.all(Array.from({ length: 100 }, () => get(accessKey)));
  expect(await readsDuring(all)).toBe(1);
  expect(await readsDuring(all)).toBe(0);
});

test("a key that is nobody's is asked for once in a while", async () => {
  const accessKey = "sa_myorg_acc123_nobodys000000000";
  const ask = async () => {
    for (let i = 0; i < 50; i++) expect(await get(accessKey)).toBeUndefined();
  };
  expect(await readsDuring(ask)).toBe(1);
});

test("keys that are nobody's push out none that is in use", async () => {
  const { accessKey } = await service.issueKey();
  await get(accessKey);
  for (let batch = 0; batch < 110; batch++) {
    const guesses = Array.from({ length: 100 }, (_, i) => get(`sa_myorg_guess_${batch}_${i}`));
    await Promise.all(guesses);
  }
  expect(get(accessKey)).not.toBeInstanceOf(Promise);
  expect(get("sa_myorg_guess_109_99")).toBeUndefined();
  // The first of them was forgotten, so there is a bound.
  expect(get("sa_myorg_guess_0_0")).toBeInstanceOf(Promise);
});

test("what has changed is read again, and what has not is not", async () => {
  const key = await service.issueKey(["Accounts.read"]);
  const client = service.signed(key);
  await client.organizations.getInfo();
  const calls = async () => {
    for (let i = 0; i < 5; i++) await client.organizations.getInfo();
  };
  expect(await readsDuring(calls)).toBe(0);
  await service.admin.apiKeys.update({ apiKeyId: key.apiKeyId, name: "Another" });
  expect(await readsDuring(calls)).toBe(1);
});
