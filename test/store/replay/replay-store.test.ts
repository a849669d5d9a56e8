import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import { connectRedis } from "../../../src/store/redis.ts";
import { openMemoryReplayStore } from "../../../src/store/replay/memory.ts";
import { RedisReplayStore } from "../../../src/store/replay/redis.ts";
import type { NonceClaim, ReplayStore } from "../../../src/store/replay/replay-store.ts";
import { type RedisServer, startRedisServer } from "../../harness/redis-server.ts";

const startedAt = 1_700_000_000;
/** The memory store's clock, which stands still. */
let now = startedAt;
let folder: string;
let server: RedisServer;
let admin: Redis;
const open = new Set<ReplayStore>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pdaas-replay-"));
  server = await startRedisServer();
  admin = new Redis(server.url, { retryStrategy: () => 20 });
  admin.on("error", () => {});
});

afterEach(async () => {
  now = startedAt;
  for (const store of open) await store.close();
  open.clear();
});

afterAll(async () => {
  admin?.disconnect();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

function closedLater<T extends ReplayStore>(store: T): T {
  open.add(store);
  return store;
}

const newFile = () => join(folder, randomBase62(12));

async function openMemory(
  options: { file?: string; firstEver?: boolean; maxNonces?: number } = {},
): Promise<ReplayStore> {
  const defaults = { file: newFile(), firstEver: true, now: () => now };
  return closedLater(await openMemoryReplayStore({ ...defaults, ...options }));
}

async function openRedis(
  options: { instance?: string; firstEver?: boolean } = {},
): Promise<RedisReplayStore> {
  const { instance = randomBase62(8), firstEver = true } = options;
  const redis = connectRedis(server.url, { log: () => {} });
  const store = closedLater(new RedisReplayStore(redis, { instance, log: () => {} }));
  await store.initialize({ firstEver });
  return store;
}

function claim(nonce: string, over: Partial<NonceClaim> = {}): NonceClaim {
  return { organizationId: "org_1", keyId: "key_1", nonce, ...over };
}

const unavailable = expect.objectContaining({
  reason: "REPLAY_STORE_UNAVAILABLE",
  code: 14,
  retryAfterMs: expect.any(Number),
});

const fresh = async (store: ReplayStore, nonce: string) => (await store.admit(claim(nonce))).fresh;

describe.each<[string, () => Promise<ReplayStore>]>([
  ["memory", openMemory],
  ["Redis", openRedis],
])("replay store: %s", (_, openStore) => {
  test("of 100 equal claims at once, one is fresh", async () => {
    const store = await openStore();
    const claims = Array.from({ length: 100 }, () => store.admit(claim("same")));
    const verdicts = await Promise.all(claims);
    expect(verdicts.filter((verdict) => verdict.fresh)).toHaveLength(1);
    expect(await fresh(store, "same")).toBe(false);
  });

  test("of 1000 nonces claimed twice, all at once, each is fresh once", async () => {
    const store = await openStore();
    const nonces = Array.from({ length: 1_000 }, (_, i) => `nonce${i}`);
    const verdicts = await Promise.all([...nonces, ...nonces].map((n) => store.admit(claim(n))));
    for (const i of nonces.keys()) {
      expect([verdicts[i]?.fresh, verdicts[i + 1_000]?.fresh].sort()).toEqual([false, true]);
    }
  });

  test("the same nonce of another key is fresh", async () => {
    const store = await openStore();
    expect(await fresh(store, "shared")).toBe(true);
    const other = claim("shared", { keyId: "key_2" });
    expect((await store.admit(other)).fresh).toBe(true);
    expect((await store.admit(other)).fresh).toBe(false);
    expect(await fresh(store, "shared")).toBe(false);
  });

  test("nonces that differ in case are two", async () => {
    const store = await openStore();
    expect(await fresh(store, "aaaaaaaaaaaaaaaaaaaaaa")).toBe(true);
    expect(await fresh(store, "aaaaaaaaaaaaaaaaaaaaaA")).toBe(true);
  });

  test("an epoch is told to its organization, and only rises", async () => {
    const store = await openStore();
    const epochOf = async (organizationId: string) =>
      (await store.admit(claim(randomBase62(22), { organizationId }))).epoch;
    expect(await epochOf("org_1")).toBeUndefined();
    await store.publishEpoch("org_1", 7);
    expect(await epochOf("org_1")).toBe(7);
    await store.publishEpoch("org_1", 6);
    expect(await epochOf("org_1")).toBe(7);
    await Promise.all([12, 9, 11, 10].map((epoch) => store.publishEpoch("org_1", epoch)));
    expect(await epochOf("org_1")).toBe(12);
    expect(await epochOf("org_2")).toBeUndefined();
    await store.publishEpoch("org_2", 0);
    expect(await epochOf("org_2")).toBe(0);
  });

  test("claims of several organizations at once are each told their own epoch", async () => {
    const store = await openStore();
    const ids = Array.from({ length: 20 }, (_, i) => `org_${i}`);
    for (const [i, id] of ids.entries()) if (i > 0) await store.publishEpoch(id, i);
    const verdicts = await Promise.all(
      [...ids, ...ids].map((organizationId, i) => store.admit(claim(`n${i}`, { organizationId }))),
    );
    for (const [i, { epoch }] of verdicts.entries()) expect(epoch).toBe(i % 20 || undefined);
  });

  test("the first store ever has lost nothing: its birth is 0, and it is in order", async () => {
    const store = await openStore();
    expect(await store.admit(claim("first"))).toEqual({
      fresh: true,
      epoch: undefined,
      birth: 0,
    });
    await store.check();
  });
});

describe("in memory", () => {
  test.each([0, 0.5, 20, 39.9, 40, 59.9])(
    "a nonce claimed %d seconds into the clock's run is remembered for 400 seconds, and not forever",
    async (offset) => {
      const store = await openMemory({ maxNonces: 1 });
      now += offset;
      expect(await fresh(store, "one")).toBe(true);
      const claimedAt = now;
      for (const seconds of [1, 59, 60, 61, 200, 399, 400]) {
        now = claimedAt + seconds;
        expect(await fresh(store, "one"), `after ${seconds} s`).toBe(false);
      }
      await expect(store.admit(claim("two"))).rejects.toEqual(unavailable);
      now = claimedAt + 600;
      expect(await fresh(store, "two")).toBe(true);
    },
  );

  test("a graceful stop and start: nonces and birth are remembered", async () => {
    const file = newFile();
    const first = await openMemory({ file, firstEver: false });
    expect(await first.admit(claim("one"))).toMatchObject({ fresh: true, birth: startedAt });
    open.delete(first);
    await first.close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    now += 100;
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("one"))).toMatchObject({ fresh: false, birth: startedAt });
    expect(await fresh(second, "two")).toBe(true);
  });

  test("nonces left by a stop count against the limit, until they are too old", async () => {
    const file = newFile();
    const first = await openMemory({ file });
    await first.admit(claim("one"));
    open.delete(first);
    await first.close();
    const second = await openMemory({ file, maxNonces: 1 });
    await expect(second.admit(claim("two"))).rejects.toEqual(unavailable);
    now += 600;
    expect(await fresh(second, "two")).toBe(true);
  });

  test("a crash: the birth is the time of the next start", async () => {
    const file = newFile();
    const first = await openMemory({ file, firstEver: true });
    expect(await first.admit(claim("one"))).toMatchObject({ birth: 0 });
    open.delete(first);
    now += 10.25;
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("one"))).toMatchObject({ fresh: true, birth: startedAt + 11 });
  });

  test("a crash after a graceful stop: what that left is not taken for the crash's", async () => {
    const file = newFile();
    const first = await openMemory({ file });
    open.delete(first);
    await first.close();
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("lost"))).toMatchObject({ fresh: true, birth: 0 });
    open.delete(second);
    now += 5;
    const third = await openMemory({ file, firstEver: false });
    expect((await third.admit(claim("lost"))).birth).toBe(startedAt + 5);
  });

  test.each(["", "{", "{}", '{"birth":0}', '{"birth":null,"buckets":[]}'])(
    "a file that a stop cannot have left, %j: counts as lost",
    async (text) => {
      const file = newFile();
      await writeFile(file, text);
      const store = await openMemory({ file, firstEver: false });
      expect((await store.admit(claim("one"))).birth).toBe(startedAt);
    },
  );

  test("a full store admits nothing new and says so, and still knows what it has", async () => {
    const store = await openMemory({ maxNonces: 3 });
    for (const nonce of ["one", "two", "three"]) {
      await store.check();
      expect(await fresh(store, nonce)).toBe(true);
    }
    await expect(store.admit(claim("four"))).rejects.toEqual(unavailable);
    await expect(store.check()).rejects.toEqual(unavailable);
    expect(await fresh(store, "two")).toBe(false);
  });

  test("a full store is in order again when its nonces are old, also without a claim", async () => {
    const store = await openMemory({ maxNonces: 1 });
    await store.admit(claim("one"));
    await expect(store.check()).rejects.toEqual(unavailable);
    now += 600;
    await store.check();
  });
});

describe("in Redis", () => {
  const seconds = () => Math.floor(Date.now() / 1_000);

  async function nonceKeys(instance: string): Promise<string[]> {
    return admin.keys(`{${instance}}n*`);
  }

  test("a nonce is remembered for 400 seconds, also when it is claimed again", async () => {
    const instance = randomBase62(8);
    const store = await openRedis({ instance });
    for (let i = 0; i < 2; i++) await store.admit(claim("one"));
    const keys = await nonceKeys(instance);
    expect(keys).toHaveLength(1);
    const left = await admin.pttl(keys[0] as string);
    expect(left).toBeGreaterThan(390_000);
    expect(left).toBeLessThanOrEqual(400_000);
  });

  test("two processes at once: of 100 equal claims, one is fresh", async () => {
    const instance = randomBase62(8);
    const stores = [await openRedis({ instance }), await openRedis({ instance })] as const;
    const claims = Array.from({ length: 100 }, (_, i) =>
      (stores[i % 2] as ReplayStore).admit(claim("same")),
    );
    expect((await Promise.all(claims)).filter((verdict) => verdict.fresh)).toHaveLength(1);
    await stores[0].publishEpoch("org_1", 5);
    expect((await stores[1].admit(claim("other"))).epoch).toBe(5);
  });

  test("two installations in one Redis know nothing of each other", async () => {
    const stores = [await openRedis(), await openRedis()] as const;
    await stores[0].publishEpoch("org_1", 5);
    expect(await fresh(stores[0], "same")).toBe(true);
    expect(await stores[1].admit(claim("same"))).toMatchObject({ fresh: true, epoch: undefined });
  });

  test("an empty store that is not the first is born now", async () => {
    const before = seconds();
    const instance = randomBase62(8);
    const store = await openRedis({ instance, firstEver: false });
    const { birth } = await store.admit(claim("one"));
    expect(birth).toBeGreaterThanOrEqual(before);
    expect(birth).toBeLessThanOrEqual(seconds());
    const again = await openRedis({ instance, firstEver: true });
    expect((await again.admit(claim("two"))).birth).toBe(birth);
  });

  test("a store that has lost nothing keeps its birth of 0 at a later start", async () => {
    const instance = randomBase62(8);
    await openRedis({ instance, firstEver: true });
    const later = await openRedis({ instance, firstEver: false });
    expect((await later.admit(claim("one"))).birth).toBe(0);
  });

  test("FLUSHALL: the store is born now, before it admits anything, and knows no epoch", async () => {
    const store = await openRedis();
    await store.publishEpoch("org_1", 3);
    expect(await store.admit(claim("one"))).toEqual({ fresh: true, epoch: 3, birth: 0 });
    const before = seconds();
    await admin.flushall();
    const verdicts = await Promise.all(["one", "two"].map((nonce) => store.admit(claim(nonce))));
    for (const { birth, epoch } of verdicts) {
      expect(birth).toBeGreaterThanOrEqual(before);
      expect(birth).toBeLessThanOrEqual(seconds());
      expect(epoch).toBeUndefined();
    }
  });

  test("killed: refused within 2 seconds; started again: back by itself, born anew", async () => {
    const store = await openRedis();
    const listener = vi.fn();
    store.onReconnect(listener);
    expect(await store.admit(claim("one"))).toMatchObject({ fresh: true, birth: 0 });
    await server.kill();
    const began = performance.now();
    for (let i = 0; i < 3; i++) {
      await expect(store.admit(claim("one"))).rejects.toEqual(unavailable);
    }
    await expect(store.check()).rejects.toThrow();
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(listener).not.toHaveBeenCalled();

    const before = seconds();
    await server.restart();
    const verdict = await vi.waitFor(() => store.admit(claim("one")), { timeout: 5_000 });
    expect(verdict.birth).toBeGreaterThanOrEqual(before);
    expect(listener).toHaveBeenCalledOnce();
    await store.check();
    expect(await fresh(store, "one")).toBe(false);
  });

  test("hanging: refused within 2 seconds, and what was asked then counts as used", async () => {
    const store = await openRedis();
    expect(await fresh(store, "before")).toBe(true);
    await admin.client("PAUSE", 60_000, "WRITE");
    try {
      const began = performance.now();
      await expect(store.admit(claim("during"))).rejects.toEqual(unavailable);
      expect(performance.now() - began).toBeLessThan(2_000);
    } finally {
      await admin.client("UNPAUSE");
    }
    const verdict = await vi.waitFor(() => store.admit(claim("during")), { timeout: 5_000 });
    expect(verdict.fresh).toBe(false);
  });

  test("full: nothing is admitted", async () => {
    const store = await openRedis();
    await admin.config("SET", "maxmemory", "1", "maxmemory-policy", "noeviction");
    try {
      await expect(store.admit(claim("one"))).rejects.toEqual(unavailable);
    } finally {
      await admin.config("SET", "maxmemory", "0");
    }
    expect(await fresh(store, "two")).toBe(true);
  });

  test.each(["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"])(
    "set to evict by %s: refused at the start, with the setting's name",
    async (policy) => {
      await admin.config("SET", "maxmemory", "1gb", "maxmemory-policy", policy);
      try {
        await expect(openRedis()).rejects.toThrow(`maxmemory-policy ${policy}`);
      } finally {
        await admin.config("SET", "maxmemory", "0", "maxmemory-policy", "noeviction");
      }
    },
  );

  test("a limit without eviction, or a policy without a limit: accepted", async () => {
    await admin.config("SET", "maxmemory", "1gb", "maxmemory-policy", "noeviction");
    expect(await fresh(await openRedis(), "one")).toBe(true);
    await admin.config("SET", "maxmemory", "0", "maxmemory-policy", "allkeys-lru");
    expect(await fresh(await openRedis(), "one")).toBe(true);
    await admin.config("SET", "maxmemory-policy", "noeviction");
  });

  test("a nonce takes at most 200 bytes of memory", async () => {
    const usedMemory = async () =>
      Number(/^used_memory:(\d+)/m.exec(await admin.info("memory"))?.[1]);
    const instance = randomBase62(8);
    const store = await openRedis({ instance });
    await store.admit(claim("warm"));
    const before = await usedMemory();
    const count = 20_000;
    for (let sent = 0; sent < count; sent += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, () => store.admit(claim(randomBase62(22)))));
    }
    const each = ((await usedMemory()) - before) / count;
    expect(await nonceKeys(instance)).toHaveLength(count + 1);
    expect(each).toBeGreaterThan(30);
    expect(each).toBeLessThanOrEqual(200);
  });
});
