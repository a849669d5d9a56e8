import { describe, expect, test } from "vitest";
import { randomBase62 } from "../../../src/ids.ts";
import { claim, fresh, kinds, useStores } from "./open-stores.ts";

useStores();

describe.each(kinds)("replay store: %s", (_, openStore) => {
  test("of 100 equal claims at once, one is fresh", async () => {
    const { store } = await openStore();
    const claims = Array.from({ length: 100 }, () => store.admit(claim("same")));
    const verdicts = await Promise.all(claims);
    expect(verdicts.filter((verdict) => verdict.fresh)).toHaveLength(1);
    expect(await fresh(store, "same")).toBe(false);
  });

  test("of 1000 nonces claimed twice, all at once, each is fresh once", async () => {
    const { store } = await openStore();
    const nonces = Array.from({ length: 1_000 }, (_, i) => `nonce${i}`);
    const verdicts = await Promise.all([...nonces, ...nonces].map((n) => store.admit(claim(n))));
    for (const i of nonces.keys()) {
      expect([verdicts[i]?.fresh, verdicts[i + 1_000]?.fresh].sort()).toEqual([false, true]);
    }
  });

  test("the same nonce of another key is fresh", async () => {
    const { store } = await openStore();
    expect(await fresh(store, "shared")).toBe(true);
    const other = claim("shared", { keyId: "key_2" });
    expect((await store.admit(other)).fresh).toBe(true);
    expect((await store.admit(other)).fresh).toBe(false);
    expect(await fresh(store, "shared")).toBe(false);
  });

  test("nonces that differ in case are two", async () => {
    const { store } = await openStore();
    expect(await fresh(store, "aaaaaaaaaaaaaaaaaaaaaa")).toBe(true);
    expect(await fresh(store, "aaaaaaaaaaaaaaaaaaaaaA")).toBe(true);
  });

  test("an epoch is told to its organization, and only rises", async () => {
    const { store } = await openStore();
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
    const { store } = await openStore();
    const ids = Array.from({ length: 20 }, (_, i) => `org_${i}`);
    for (const [i, id] of ids.entries()) if (i > 0) await store.publishEpoch(id, i);
    const verdicts = await Promise.all(
      [...ids, ...ids].map((organizationId, i) => store.admit(claim(`n${i}`, { organizationId }))),
    );
    for (const [i, { epoch }] of verdicts.entries()) expect(epoch).toBe(i % 20 || undefined);
  });

  test("the first store ever has lost nothing: its birth is 0, and it is in order", async () => {
    const { store } = await openStore();
    expect(await store.admit(claim("first"))).toEqual({
      fresh: true,
      epoch: undefined,
      birth: 0,
      retryAfterMs: 0,
    });
    await store.check();
  });

  test.each([0, 50, 100, 190])(
    "a nonce claimed %d seconds after another is remembered for 400 seconds, and not forever",
    async (offset) => {
      const { store, pass } = await openStore();
      expect(await fresh(store, "another")).toBe(true);
      await pass(offset);
      expect(await fresh(store, "one")).toBe(true);
      for (let age = 0; age <= 670; age += 67) {
        expect(await fresh(store, randomBase62(22))).toBe(true);
        if (age <= 400) expect(await fresh(store, "one"), `after ${age} s`).toBe(false);
        await pass(67);
      }
      expect(await fresh(store, "one")).toBe(true);
    },
  );
});
