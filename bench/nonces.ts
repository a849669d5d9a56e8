// What a nonce takes of Redis' memory.

import { randomBytes } from "node:crypto";
import type { Cluster, Redis } from "ioredis";
import { newId } from "../src/ids.ts";
import { connectRedis } from "../src/store/redis.ts";
import { RedisReplayStore } from "../src/store/replay/redis.ts";
import { startRedisServer } from "../test/harness/redis-server.ts";
import { rounded } from "./measure.ts";

/**
 * Tables double as they fill, so that the memory of one nonce depends on their number: looked at from
 * `least` to `most` of them, which is past the two doublings nearby.
 */
const least = 500_000;
const most = 1_100_000;
const lookEvery = 20_000;
/** Claims at once. */
const atOnce = 500;

/** @returns bytes, at the worst number of nonces */
export async function measureNonces(): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const server = await startRedisServer();
  stack.defer(() => server.stop());
  const log = (message: string) => {
    throw new Error(message);
  };
  const redis = connectRedis(server.url, { log });
  const store = new RedisReplayStore(redis, { instance: "benchmrk", log });
  stack.defer(() => store.close());
  await store.initialize({ firstEver: true });
  await claimSome(store, 1);
  const before = await usedMemory(redis);
  let worst = 0;
  for (let claimed = lookEvery; claimed <= most; claimed += lookEvery) {
    await claimSome(store, lookEvery);
    const bytes = ((await usedMemory(redis)) - before) / claimed;
    if (claimed >= least) worst = Math.max(worst, bytes);
  }
  return rounded(worst, 1);
}

async function claimSome(store: RedisReplayStore, count: number): Promise<void> {
  const organizationId = newId("org");
  const keyId = newId("key");
  for (let claimed = 0; claimed < count; claimed += atOnce) {
    const claims = Array.from({ length: Math.min(atOnce, count) }, () => ({
      organizationId,
      keyId,
      nonce: randomBytes(16).toString("base64url"),
      limits: [],
    }));
    const verdicts = await Promise.all(claims.map((claim) => store.admit(claim)));
    if (verdicts.some(({ fresh }) => !fresh)) throw new Error("a nonce was taken for a used one");
  }
}

async function usedMemory(redis: Redis | Cluster): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1]);
}
