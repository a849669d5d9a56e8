import { describe, expect, test, vi } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import type { ReplayStore } from "../../../src/store/replay/replay-store.ts";
import {
  claim,
  fresh,
  openRedis,
  passInRedis,
  redis,
  unavailable,
  useStores,
} from "./open-stores.ts";

useStores();

describe("pages of nonces in Redis", () => {
  const seconds = () => Math.floor(Date.now() / 1_000);
  const pagesOf = (instance: string) => redis().admin.get(`{${instance}}page`);
  const shardsOf = (instance: string) => redis().admin.keys(`{${instance}}page?*`);

  async function claimMany(store: ReplayStore, count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, () => store.admit(claim(randomBase62(22)))));
    }
  }

  async function info(section: string, field: string): Promise<number> {
    const text = await redis().admin.info(section);
    return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(text)?.[1]);
  }

  async function opened(): Promise<{ instance: string; store: ReplayStore }> {
    const instance = randomBase62(8);
    return { instance, store: await openRedis({ instance }) };
  }

  test("a nonce is refused after one turn and after two, and forgotten after three", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("turns to the first page"));
    await passInRedis(instance, 190);
    const seen = [await pagesOf(instance)];
    for (const isFresh of [true, false, false, true]) {
      expect(await fresh(store, "one")).toBe(isFresh);
      seen.push(await pagesOf(instance));
      await passInRedis(instance, 201);
    }
    expect(seen.map((pages) => pages?.slice(0, 3))).toEqual(["312", "312", "231", "123", "312"]);
  });

  test("a page lasts its time, whatever happens on it", async () => {
    const { instance, store } = await opened();
    for (let age = 0; age < 180; age += 20) {
      expect(await fresh(store, `at ${age}`)).toBe(true);
      expect(await pagesOf(instance)).toMatch(/^312 /);
      await passInRedis(instance, 20);
    }
  });

  test("after an hour without a call: nothing was lost, and each page has all its shards", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("one"));
    await passInRedis(instance, 3_600);
    await redis().admin.del(await shardsOf(instance));
    expect(await store.admit(claim("two"))).toMatchObject({ fresh: true, birth: 0 });
    expect(await fresh(store, "two")).toBe(false);
    expect(await shardsOf(instance)).toHaveLength(48);
  });

  test("after an hour without a call, where nothing has expired: one page is turned", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("one"));
    await passInRedis(instance, 3_600);
    expect(await store.admit(claim("one"))).toMatchObject({ fresh: false, birth: 0 });
    expect(await pagesOf(instance)).toMatch(/^231 /);
  });

  test.each([30, 3_600, 40_000_000])(
    "a clock set back by %d seconds: nonces are refused for as long as ever, and no longer",
    async (back) => {
      const { instance, store } = await opened();
      await store.admit(claim("one"));
      await passInRedis(instance, -back);
      for (let age = 0; age <= 804; age += 67) {
        expect(await store.admit(claim(randomBase62(22)))).toMatchObject({ fresh: true, birth: 0 });
        if (age <= 400) expect(await fresh(store, "one"), `after ${age} s`).toBe(false);
        await passInRedis(instance, 67);
      }
      expect(await fresh(store, "one")).toBe(true);
    },
  );

  test("every shard expires when no page is turned any more, and not before", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("one"));
    await passInRedis(instance, 201);
    for (const shard of await shardsOf(instance)) await redis().admin.expire(shard, 300);
    await store.admit(claim("two"));
    const shards = await shardsOf(instance);
    expect(shards).toHaveLength(48);
    for (const shard of shards) {
      const left = await redis().admin.ttl(shard);
      expect(left).toBeGreaterThan(640);
      expect(left).toBeLessThanOrEqual(660);
    }
  });

  test("nonces spread over the shards", async () => {
    const { instance, store } = await opened();
    await claimMany(store, 2_000);
    const sizes = await Promise.all(
      (await shardsOf(instance)).map((shard) => redis().admin.scard(shard)),
    );
    const used = sizes.filter((size) => size > 1);
    expect(used).toHaveLength(16);
    expect(used.reduce((sum, size) => sum + size)).toBe(2_000 + 16);
    expect(Math.max(...used)).toBeLessThan(250);
  });

  test.each([
    ["its birth", "at once", /birth$/],
    ["its page", "at once", /page$/],
    ["one shard of the newest page", "within a second", /page3U$/],
    ["one shard of an older page", "within a second", /page1g$/],
    ["all shards", "within a second", /page\w+$/],
  ])("a store that lost %s is born %s, and once", async (_, when, pattern) => {
    const { instance, store } = await opened();
    expect((await store.admit(claim("before"))).birth).toBe(0);
    const keys = await redis().admin.keys(`{${instance}}*`);
    expect(await redis().admin.del(keys.filter((key) => pattern.test(key)))).toBeGreaterThan(0);
    if (when === "within a second") await passInRedis(instance, 1);
    const before = seconds();
    const verdicts = await Promise.all(["one", "two"].map((nonce) => store.admit(claim(nonce))));
    for (const { fresh, birth } of verdicts) {
      expect(fresh).toBe(true);
      expect(birth).toBeGreaterThanOrEqual(before);
      expect(birth).toBeLessThanOrEqual(seconds());
    }
    await passInRedis(instance, 10);
    expect(await store.admit(claim("one"))).toMatchObject({
      fresh: false,
      birth: verdicts[0]?.birth,
    });
    expect(await shardsOf(instance)).toHaveLength(48);
  });

  test("on another server process a store is born now, and what it still has counts", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("one"));
    await redis().admin.set(`{${instance}}server`, "another");
    const later = await openRedis({ instance, firstEver: false });
    const verdict = await later.admit(claim("one"));
    expect(verdict.fresh).toBe(false);
    expect(verdict.birth).toBeGreaterThan(0);
  });

  test.each(["", "312", "312 1700000000", "412 1700000000 0", "312 -5 0"])(
    "a page that no store has written, %j: counts as lost",
    async (text) => {
      const { instance, store } = await opened();
      await store.admit(claim("one"));
      await redis().admin.set(`{${instance}}page`, text);
      expect((await store.admit(claim("two"))).birth).toBeGreaterThan(0);
      expect(await fresh(store, "two")).toBe(false);
    },
  );

  test("a nonce takes at most 128 bytes of memory", async () => {
    const { store } = await opened();
    await store.admit(claim("warm"));
    const before = await info("memory", "used_memory");
    for (const count of [10_000, 20_000]) {
      await claimMany(store, 10_000);
      const each = ((await info("memory", "used_memory")) - before) / count;
      expect(each).toBeGreaterThan(30);
      expect(each).toBeLessThanOrEqual(128);
    }
  });

  test("what a turn forgets is freed in the background, and its memory comes back", async () => {
    const { instance, store } = await opened();
    await store.admit(claim("warm"));
    const before = await info("memory", "used_memory");
    await claimMany(store, 20_000);
    const freed = await info("memory", "lazyfreed_objects");
    for (let turn = 0; turn < 3; turn++) {
      expect((await info("memory", "used_memory")) - before).toBeGreaterThan(500_000);
      await passInRedis(instance, 201);
      await store.admit(claim(randomBase62(22)));
    }
    await vi.waitFor(async () => {
      expect(await info("memory", "lazyfreed_objects")).toBe(freed + 16);
      expect((await info("memory", "used_memory")) - before).toBeLessThan(300_000);
    });
  });

  test("full: nothing is admitted until a turn makes room", async () => {
    const { instance, store } = await opened();
    await claimMany(store, 20_000);
    for (let turn = 0; turn < 2; turn++) {
      await passInRedis(instance, 201);
      await store.admit(claim(randomBase62(22)));
    }
    const limit = (await info("memory", "used_memory")) - 300_000;
    await redis().admin.config("SET", "maxmemory", limit, "maxmemory-policy", "noeviction");
    try {
      await expect(store.admit(claim("one"))).rejects.toEqual(unavailable);
      await redis().admin.config("SET", "maxmemory", "0");
      await passInRedis(instance, 201);
      await redis().admin.config("SET", "maxmemory", limit);
      await vi.waitFor(() => store.admit(claim("two")), { timeout: 5_000 });
      await vi.waitFor(() => store.check(), { timeout: 5_000 });
      expect(await fresh(store, "three")).toBe(true);
      expect(await fresh(store, "two")).toBe(false);
    } finally {
      await redis().admin.config("SET", "maxmemory", "0");
    }
  });
});
