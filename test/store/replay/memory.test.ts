import { stat, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  abandon,
  claim,
  clock,
  fresh,
  newFile,
  openMemory,
  startedAt,
  unavailable,
  useStores,
} from "./open-stores.ts";

useStores();

describe("in memory", () => {
  test.each([0, 0.5, 20, 39.9, 40, 59.9])(
    "a nonce claimed %d seconds into the clock's run is remembered for 400 seconds, and not forever",
    async (offset) => {
      const store = await openMemory({ maxNonces: 1 });
      clock.now += offset;
      expect(await fresh(store, "one")).toBe(true);
      const claimedAt = clock.now;
      for (const seconds of [1, 59, 60, 61, 200, 399, 400]) {
        clock.now = claimedAt + seconds;
        expect(await fresh(store, "one"), `after ${seconds} s`).toBe(false);
      }
      await expect(store.admit(claim("two"))).rejects.toEqual(unavailable);
      clock.now = claimedAt + 600;
      expect(await fresh(store, "two")).toBe(true);
    },
  );

  test("a graceful stop and start: nonces and birth are remembered", async () => {
    const file = newFile();
    const first = await openMemory({ file, firstEver: false });
    expect(await first.admit(claim("one"))).toMatchObject({ fresh: true, birth: startedAt });
    abandon(first);
    await first.close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    clock.now += 100;
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("one"))).toMatchObject({ fresh: false, birth: startedAt });
    expect(await fresh(second, "two")).toBe(true);
  });

  test("nonces left by a stop count against the limit, until they are too old", async () => {
    const file = newFile();
    const first = await openMemory({ file });
    await first.admit(claim("one"));
    abandon(first);
    await first.close();
    const second = await openMemory({ file, maxNonces: 1 });
    await expect(second.admit(claim("two"))).rejects.toEqual(unavailable);
    clock.now += 600;
    expect(await fresh(second, "two")).toBe(true);
  });

  test("a crash: the birth is the time of the next start", async () => {
    const file = newFile();
    const first = await openMemory({ file, firstEver: true });
    expect(await first.admit(claim("one"))).toMatchObject({ birth: 0 });
    abandon(first);
    clock.now += 10.25;
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("one"))).toMatchObject({ fresh: true, birth: startedAt + 11 });
  });

  test("a crash after a graceful stop: what that left is not taken for the crash's", async () => {
    const file = newFile();
    const first = await openMemory({ file });
    abandon(first);
    await first.close();
    const second = await openMemory({ file, firstEver: false });
    expect(await second.admit(claim("lost"))).toMatchObject({ fresh: true, birth: 0 });
    abandon(second);
    clock.now += 5;
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
    clock.now += 600;
    await store.check();
  });
});
