import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import { connectRedis } from "../../../src/store/redis.ts";
import { openMemoryReplayStore } from "../../../src/store/replay/memory.ts";
import { RedisReplayStore } from "../../../src/store/replay/redis.ts";
import type { NonceClaim, ReplayStore } from "../../../src/store/replay/replay-store.ts";
import { type RedisServer, startRedisServer } from "../../harness/redis-server.ts";

export const startedAt = 1_700_000_000;

/** The memory store's clock, which stands still. Unix seconds. */
export const clock = { now: startedAt };

interface Opened {
  store: ReplayStore;
  /** Lets time pass for what the store remembers. */
  pass(seconds: number): Promise<void>;
}

let folder: string;
let server: RedisServer;
let admin: Redis;
const open = new Set<ReplayStore>();

/** Starts a Redis for the tests of a file, and closes what each of them has opened. */
export function useStores(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "pdaas-replay-"));
    server = await startRedisServer();
    admin = new Redis(server.url, { retryStrategy: () => 20 });
    admin.on("error", () => {});
  });

  afterEach(async () => {
    clock.now = startedAt;
    for (const store of open) await store.close();
    open.clear();
  });

  afterAll(async () => {
    admin?.disconnect();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });
}

/** The Redis server, and a connection to it. */
export const redis = () => ({ server, admin });

export const newFile = () => join(folder, randomBase62(12));

export async function openMemory(
  options: { file?: string; firstEver?: boolean; maxNonces?: number } = {},
): Promise<ReplayStore> {
  const defaults = { file: newFile(), firstEver: true, now: () => clock.now };
  const store = await openMemoryReplayStore({ ...defaults, ...options });
  open.add(store);
  return store;
}

export async function openRedis(
  options: { instance?: string; firstEver?: boolean } = {},
): Promise<RedisReplayStore> {
  const { instance = randomBase62(8), firstEver = true } = options;
  const connection = connectRedis(server.url, { log: () => {} });
  const store = new RedisReplayStore(connection, { instance, log: () => {} });
  open.add(store);
  await store.initialize({ firstEver });
  return store;
}

/** What is left of a store that was not closed is the test's own. */
export function abandon(store: ReplayStore): void {
  open.delete(store);
}

/** Each kind of store, new, with its time in hand. */
export const kinds: [string, () => Promise<Opened>][] = [
  [
    "memory",
    async () => ({
      store: await openMemory(),
      pass: async (seconds) => {
        clock.now += seconds;
      },
    }),
  ],
  [
    "Redis",
    async () => {
      const instance = randomBase62(8);
      const store = await openRedis({ instance });
      return { store, pass: (seconds) => passInRedis(instance, seconds) };
    },
  ],
];

/**
 * Makes all times that a store in Redis remembers earlier, as they are once time has passed or, if
 * `seconds` is negative, after the clock was set back. Keys expire no sooner.
 */
export async function passInRedis(instance: string, seconds: number): Promise<void> {
  const pageKey = `{${instance}}page`;
  const [pages, ...times] = ((await admin.get(pageKey)) as string).split(" ");
  const earlier = times.map((time) => Math.max(0, Number(time) - seconds));
  await admin.set(pageKey, [pages, ...earlier].join(" "));
  for (const key of await admin.keys(`{${instance}}l*`)) {
    const fullAt = Number(await admin.get(key)) - seconds * 1_000_000;
    await admin.set(key, fullAt.toFixed(0), "KEEPTTL");
  }
}

export function claim(nonce: string, over: Partial<NonceClaim> = {}): NonceClaim {
  return { organizationId: "org_1", keyId: "key_1", nonce, limits: [], ...over };
}

export const fresh = async (store: ReplayStore, nonce: string) =>
  (await store.admit(claim(nonce))).fresh;

export const unavailable = expect.objectContaining({
  reason: "REPLAY_STORE_UNAVAILABLE",
  code: 14,
  retryAfterMs: expect.any(Number),
});
