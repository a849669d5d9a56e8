import { Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

test.each(["connect", "grpc"] as const)(
  "over %s, the key is replaced while calls are under way: none is refused",
  async (transport) => {
    const first = await service.issueKey();
    const client = new Client({
      baseUrl: transport === "grpc" ? service.grpcUrl : service.httpUrl,
      accessKey: first.accessKey,
      secretKey: first.secretKey,
      transport,
      maxRetries: 0,
    });
    let apiKeyId = first.apiKeyId;
    const signers: string[] = [];
    const beganWith: string[] = [];
    let rotating = true;
    const callers = Array.from({ length: 10 }, async () => {
      while (rotating) {
        beganWith.push(apiKeyId);
        signers.push((await client.whoAmI()).apiKeyId);
      }
    });
    const all = [apiKeyId];
    try {
      for (let rotation = 0; rotation < 3; rotation++) {
        const { key } = await service.admin.apiKeys.rotate({ apiKeyId });
        client.useKey(key);
        apiKeyId = key.id;
        all.push(apiKeyId);
        const since = signers.length;
        await expect.poll(() => signers.length, { timeout: 30_000 }).toBeGreaterThan(since + 50);
      }
    } finally {
      rotating = false;
      await Promise.all(callers);
    }
    expect([...new Set(signers)].sort()).toEqual(all.sort());
    // As many as began with a key were signed with it: the switch is at once.
    for (const id of all) {
      const count = (list: string[]) => list.filter((one) => one === id).length;
      expect(count(signers)).toBe(count(beganWith));
    }
    await client.close();
  },
  120_000,
);
