import { describe, expect, test } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import { RateLimitBuckets } from "../../../src/store/replay/rate-limits.ts";
import type { RateLimit, ReplayStore } from "../../../src/store/replay/replay-store.ts";
import { claim, kinds, openRedis, redis, useStores } from "./open-stores.ts";

useStores();

/** One call in 1000 seconds, so that no bucket refills but by the time that a test lets pass. */
const limit = (id: string, burst: number): RateLimit => ({ id, perSecond: 0.001, burst });

const call = (store: ReplayStore, limits: RateLimit[], nonce = randomBase62(22)) =>
  store.admit(claim(nonce, { limits }));

/** Of so many calls at once, how many have found room. */
async function admitted(store: ReplayStore, limits: RateLimit[], calls: number): Promise<number> {
  const verdicts = await Promise.all(Array.from({ length: calls }, () => call(store, limits)));
  expect(verdicts.every(({ fresh }) => fresh)).toBe(true);
  return verdicts.filter(({ retryAfterMs }) => retryAfterMs === 0).length;
}

describe.each(kinds)("rate limits: %s", (_, openStore) => {
  test.each([1, 7, 1_000])("of 1500 calls at once, a burst of %d is admitted", async (burst) => {
    const { store } = await openStore();
    expect(await admitted(store, [limit("key_1", burst)], 1_500)).toBe(burst);
    expect(await admitted(store, [limit("key_1", burst)], 1)).toBe(0);
  });

  test.each([3, 7, 300, 999, 30_000])("a burst is exact also with %d a second", async (rate) => {
    const { store } = await openStore();
    const limits = [{ id: "key_1", perSecond: rate, burst: 400 }];
    // As many as go in one step, in which no time passes.
    expect(await admitted(store, limits, 500)).toBe(400);
  });

  test("a bucket refills as time passes, and never above its burst", async () => {
    const { store, pass } = await openStore();
    const limits = [limit("key_1", 5)];
    expect(await admitted(store, limits, 10)).toBe(5);
    await pass(900);
    expect(await admitted(store, limits, 10)).toBe(0);
    await pass(200);
    expect(await admitted(store, limits, 10)).toBe(1);
    await pass(3_000);
    expect(await admitted(store, limits, 10)).toBe(3);
    await pass(1_000_000);
    expect(await admitted(store, limits, 10)).toBe(5);
  });

  test("refused calls do not put off the next one", async () => {
    const { store, pass } = await openStore();
    const limits = [limit("key_1", 1)];
    expect(await admitted(store, limits, 1)).toBe(1);
    for (let i = 0; i < 9; i++) {
      await pass(100);
      expect(await admitted(store, limits, 50)).toBe(0);
    }
    await pass(100);
    expect(await admitted(store, limits, 50)).toBe(1);
  });

  test("of several limits all give room, or none does", async () => {
    const { store } = await openStore();
    const [wide, narrow] = [limit("svc_1", 10), limit("key_1", 3)];
    expect(await admitted(store, [wide, narrow], 20)).toBe(3);
    expect(await admitted(store, [wide], 20)).toBe(7);
    expect(await admitted(store, [narrow, limit("svc_2", 10)], 20)).toBe(0);
    expect(await admitted(store, [limit("svc_2", 10)], 20)).toBe(10);
  });

  test("claims at once with lists of their own share the limits that they name", async () => {
    const { store } = await openStore();
    const shared = limit("svc_1", 4);
    const lists = [
      [],
      [limit("key_1", 1), shared],
      [limit("key_2", 2), shared],
      [limit("key_3", 9), shared],
    ];
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, (_, i) => call(store, lists[i % 4] as RateLimit[])),
    );
    const admittedOf = (list: number) =>
      verdicts.filter(({ retryAfterMs }, i) => i % 4 === list && retryAfterMs === 0).length;
    expect(admittedOf(0)).toBe(10);
    expect(admittedOf(1)).toBeLessThanOrEqual(1);
    expect(admittedOf(2)).toBeLessThanOrEqual(2);
    expect(admittedOf(1) + admittedOf(2) + admittedOf(3)).toBe(4);
  });

  test("each of several claims at once gets its own answer", async () => {
    const { store } = await openStore();
    const [spent, free] = [limit("key_1", 1), limit("key_2", 1)];
    await call(store, [spent]);
    const lists = [[], [spent], [free], [spent, free], [], [spent]];
    const verdicts = await Promise.all(lists.map((limits) => call(store, limits)));
    const hasRoom = verdicts.map(({ retryAfterMs }) => retryAfterMs === 0);
    expect(hasRoom).toEqual([true, false, true, false, true, false]);
  });

  test("a nonce that was used takes nothing from a limit", async () => {
    const { store } = await openStore();
    const limits = [limit("key_1", 3)];
    await store.admit(claim("used"));
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, () => call(store, limits, "used")),
    );
    for (const verdict of verdicts) {
      expect(verdict).toMatchObject({ fresh: false, retryAfterMs: 0 });
    }
    expect(await admitted(store, limits, 10)).toBe(3);
    expect(await call(store, limits, "used")).toMatchObject({ fresh: false, retryAfterMs: 0 });
  });

  test("the nonce of a call over its limit stays used", async () => {
    const { store, pass } = await openStore();
    const limits = [limit("key_1", 1)];
    await call(store, limits);
    const refused = await call(store, limits, "refused");
    expect(refused.fresh).toBe(true);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect((await call(store, limits, "refused")).fresh).toBe(false);
    await pass(300);
    expect((await call(store, [], "refused")).fresh).toBe(false);
  });

  test("after retryAfterMs there is room, and no sooner", async () => {
    const { store, pass } = await openStore();
    const limits = [limit("svc_1", 8), limit("key_1", 2)];
    await admitted(store, limits, 2);
    await pass(400);
    const { retryAfterMs } = await call(store, limits);
    expect(retryAfterMs).toBeGreaterThan(590_000);
    expect(retryAfterMs).toBeLessThanOrEqual(600_000);
    await pass(retryAfterMs / 1_000 - 20);
    const rest = (await call(store, limits)).retryAfterMs;
    expect(rest).toBeGreaterThan(10_000);
    expect(rest).toBeLessThanOrEqual(20_000);
    await pass(rest / 1_000);
    expect(await admitted(store, limits, 5)).toBe(1);
  });

  test("of several limits without room, the last to have some says how long", async () => {
    const { store } = await openStore();
    const fast: RateLimit = { id: "key_1", perSecond: 0.01, burst: 1 };
    await call(store, [fast, limit("svc_1", 1)]);
    for (const limits of [
      [fast, limit("svc_1", 1)],
      [limit("svc_1", 1), fast],
    ]) {
      const { retryAfterMs } = await call(store, limits);
      expect(retryAfterMs).toBeGreaterThan(990_000);
      expect(retryAfterMs).toBeLessThanOrEqual(1_000_000);
    }
  });

  test("a limit that was raised: the old one's debt is forgotten but for one call", async () => {
    const { store, pass } = await openStore();
    await admitted(store, [limit("key_1", 50)], 50);
    const raised = [{ id: "key_1", perSecond: 0.1, burst: 20 }];
    const { retryAfterMs } = await call(store, raised);
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(10_000);
    await pass(retryAfterMs / 1_000);
    expect(await admitted(store, raised, 1)).toBe(1);
    await pass(200);
    expect(await admitted(store, raised, 50)).toBe(20);
  });

  test("a limit that was lowered holds from the next call on", async () => {
    const { store } = await openStore();
    await admitted(store, [{ id: "key_1", perSecond: 1_000_000, burst: 50 }], 1);
    expect(await admitted(store, [limit("key_1", 2)], 50)).toBeLessThanOrEqual(2);
    expect(await admitted(store, [limit("key_1", 2)], 50)).toBe(0);
  });

  test("a clock set back locks nobody out for longer than one call", async () => {
    const { store, pass } = await openStore();
    const limits = [limit("key_1", 3)];
    await admitted(store, limits, 1);
    await pass(-1_000_000);
    const { retryAfterMs } = await call(store, limits);
    expect(retryAfterMs).toBeLessThanOrEqual(1_000_000);
    await pass(retryAfterMs / 1_000);
    expect(await admitted(store, limits, 5)).toBe(1);
  });
});

describe("rate limits in Redis", () => {
  test("two processes share a limit", async () => {
    const instance = randomBase62(8);
    const stores = [await openRedis({ instance }), await openRedis({ instance })] as const;
    const limits = [limit("key_1", 25)];
    const counts = await Promise.all(stores.map((store) => admitted(store, limits, 100)));
    expect(counts.reduce((sum, count) => sum + count)).toBe(25);
  });

  test("two installations do not", async () => {
    const stores = [await openRedis(), await openRedis()];
    const limits = [limit("key_1", 25)];
    for (const store of stores) expect(await admitted(store, limits, 100)).toBe(25);
  });

  test("a bucket is kept until it is full, and a call that takes nothing leaves none", async () => {
    const instance = randomBase62(8);
    const store = await openRedis({ instance });
    const buckets = () => redis().admin.keys(`{${instance}}l*`);
    await store.admit(claim("used"));
    await call(store, [limit("key_1", 3)], "used");
    expect(await buckets()).toEqual([]);
    await admitted(store, [limit("key_1", 3)], 5);
    expect(await buckets()).toEqual([`{${instance}}lkey_1`]);
    // In full: what loses digits would lose calls.
    expect(await redis().admin.get(`{${instance}}lkey_1`)).toMatch(/^\d{16}$/);
    const left = await redis().admin.pttl(`{${instance}}lkey_1`);
    expect(left).toBeGreaterThan(2_990_000);
    expect(left).toBeLessThanOrEqual(3_001_000);
    await redis().admin.del(`{${instance}}lkey_1`);
    expect(await admitted(store, [limit("key_1", 3)], 5)).toBe(3);
  });
});

describe("rate limits in memory", () => {
  test("full buckets are forgotten, and others are not", () => {
    const buckets = new RateLimitBuckets();
    for (let i = 0; i < 1_000; i++) buckets.take([{ id: `key_${i}`, perSecond: 1, burst: 10 }], 0);
    buckets.take([limit("slow", 1)], 0);
    expect(buckets.size).toBe(1_001);
    buckets.take([limit("another", 1)], 61_000_000);
    expect(buckets.size).toBe(2);
    expect(buckets.take([limit("slow", 1)], 61_000_000)).toBeGreaterThan(0);
  });

  test("a full bucket that is not forgotten yet holds no more than its burst", () => {
    const buckets = new RateLimitBuckets();
    const limits = [{ id: "key_1", perSecond: 1, burst: 2 }];
    expect(buckets.take(limits, 0)).toBe(0);
    const waits = [1, 2, 3].map(() => buckets.take(limits, 30_000_000));
    expect(waits).toEqual([0, 0, 1_000]);
  });
});
