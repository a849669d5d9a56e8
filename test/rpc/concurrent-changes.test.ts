import { afterAll, beforeAll, expect, test } from "vitest";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const callers = 16;

test("a revocation waits for the changes before it, and not for those that keep coming", async () => {
  const { apiKeyId } = await service.issueKey();
  const flooding = service.signed(await service.issueKey());
  let made = 0;
  let isOver = false;
  const flood = Array.from({ length: callers }, async () => {
    while (!isOver) {
      await flooding.serviceAccounts.create({ accountId: "acc-123", name: "Flood" });
      made++;
    }
  });
  await expect.poll(() => made, { timeout: 20_000 }).toBeGreaterThan(callers);
  for (let round = 0; round < 5; round++) {
    const before = made;
    await service.admin.apiKeys.revoke({ apiKeyId });
    expect(made - before).toBeLessThan(4 * callers);
  }
  isOver = true;
  await Promise.all(flood);
  await flooding.close();
});
