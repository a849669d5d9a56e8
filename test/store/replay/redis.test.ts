import { describe, expect, test, vi } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import type { ReplayStore } from "../../../src/store/replay/replay-store.ts";
import { claim, fresh, openRedis, redis, unavailable, useStores } from "./open-stores.ts";

useStores();

describe("in Redis", () => {
  const seconds = () => Math.floor(Date.now() / 1_000);

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
    expect(await store.admit(claim("one"))).toMatchObject({ fresh: true, epoch: 3, birth: 0 });
    const before = seconds();
    await redis().admin.flushall();
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
    await redis().server.kill();
    const began = performance.now();
    for (let i = 0; i < 3; i++) {
      await expect(store.admit(claim("one"))).rejects.toEqual(unavailable);
    }
    await expect(store.check()).rejects.toThrow();
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(listener).not.toHaveBeenCalled();

    const before = seconds();
    await redis().server.restart();
    const verdict = await vi.waitFor(() => store.admit(claim("one")), { timeout: 5_000 });
    expect(verdict.birth).toBeGreaterThanOrEqual(before);
    expect(listener).toHaveBeenCalledOnce();
    await store.check();
    expect(await fresh(store, "one")).toBe(false);
  });

  test("hanging: refused within 2 seconds, and what was asked then counts as used", async () => {
    const store = await openRedis();
    expect(await fresh(store, "before")).toBe(true);
    await redis().admin.client("PAUSE", 60_000, "WRITE");
    try {
      const began = performance.now();
      await expect(store.admit(claim("during"))).rejects.toEqual(unavailable);
      expect(performance.now() - began).toBeLessThan(2_000);
    } finally {
      await redis().admin.client("UNPAUSE");
    }
    const verdict = await vi.waitFor(() => store.admit(claim("during")), { timeout: 5_000 });
    expect(verdict.fresh).toBe(false);
  });

  test("full: nothing is admitted", async () => {
    const store = await openRedis();
    await store.admit(claim("before"));
    await redis().admin.config("SET", "maxmemory", "1", "maxmemory-policy", "noeviction");
    try {
      await expect(store.admit(claim("one"))).rejects.toEqual(unavailable);
    } finally {
      await redis().admin.config("SET", "maxmemory", "0");
    }
    expect(await fresh(store, "two")).toBe(true);
  });

  test.each(["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"])(
    "set to evict by %s: refused at the start, with the setting's name",
    async (policy) => {
      await redis().admin.config("SET", "maxmemory", "1gb", "maxmemory-policy", policy);
      try {
        await expect(openRedis()).rejects.toThrow(`maxmemory-policy ${policy}`);
      } finally {
        await redis().admin.config("SET", "maxmemory", "0", "maxmemory-policy", "noeviction");
      }
    },
  );

  test("a limit without eviction, or a policy without a limit: accepted", async () => {
    await redis().admin.config("SET", "maxmemory", "1gb", "maxmemory-policy", "noeviction");
    expect(await fresh(await openRedis(), "one")).toBe(true);
    await redis().admin.config("SET", "maxmemory", "0", "maxmemory-policy", "allkeys-lru");
    expect(await fresh(await openRedis(), "one")).toBe(true);
    await redis().admin.config("SET", "maxmemory-policy", "noeviction");
  });
});
