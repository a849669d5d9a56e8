import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openMasterKey } from "../../src/embedded/master-key.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pdaas-master-key-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("several processes that start at once make one key, which only its owner can read", async () => {
  const file = join(folder, "made", "master.key");
  const keys = await Promise.all(Array.from({ length: 8 }, () => openMasterKey(file)));
  expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
  expect(keys[0]).toHaveLength(32);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await openMasterKey(file)).toEqual(keys[0]);
});

test("a key that others could have read is refused", async () => {
  const file = join(folder, "open.key");
  await openMasterKey(file);
  await chmod(file, 0o644);
  await expect(openMasterKey(file)).rejects.toThrow(/chmod 600/);
});

test("a damaged key is refused, not replaced, and not shown", async () => {
  const file = join(folder, "damaged.key");
  await writeFile(file, "c2VjcmV0\n", { mode: 0o600 });
  await expect(openMasterKey(file)).rejects.toThrow(/damaged\.key: must be 32 bytes in base64/);
  await expect(openMasterKey(file)).rejects.not.toThrow(/c2VjcmV0/);
  expect(await readFile(file, "utf8")).toBe("c2VjcmV0\n");
});
