import { expect, test } from "vitest";
import {
  isSecretKey,
  newAccessKey,
  newId,
  newRequestId,
  newSecretKey,
  randomBase62,
} from "../src/ids.ts";
import vectors from "./vectors/signing.json" with { type: "json" };

const many = <T>(make: () => T) => Array.from({ length: 2_000 }, make);

test("an access key: organization and account without punctuation, and 16 random characters", () => {
  const keys = many(() => newAccessKey("my-org-7", "acc-123"));
  for (const key of keys) expect(key).toMatch(/^sa_myorg7_acc123_[0-9A-Za-z]{16}$/);
  expect(new Set(keys).size).toBe(keys.length);
});

test("an access key of the longest names: one that a signature may name", () => {
  const key = newAccessKey("a".repeat(40), "b-".repeat(20));
  expect(key).toMatch(/^[A-Za-z0-9_]{1,128}$/);
});

test("a secret key: sk_, 43 random characters and a checksum of 6", () => {
  const keys = many(newSecretKey);
  for (const key of keys) {
    expect(key).toMatch(/^sk_[0-9A-Za-z]{49}$/);
    expect(isSecretKey(key)).toBe(true);
  }
  expect(new Set(keys).size).toBe(keys.length);
  // The random part alone is never the same, either.
  expect(new Set(keys.map((key) => key.slice(3, 46))).size).toBe(keys.length);
});

test("secret keys whose checksum was computed elsewhere are recognised", () => {
  expect(vectors.keys.length).toBeGreaterThan(1);
  for (const { secret_key } of vectors.keys) expect(isSecretKey(secret_key)).toBe(true);
});

test("a secret key with any one character changed, left out or added is not one", () => {
  const key = newSecretKey();
  for (let at = 0; at < key.length; at++) {
    const changed = key[at] === "0" ? "1" : "0";
    expect(isSecretKey(key.slice(0, at) + changed + key.slice(at + 1)), `at ${at}`).toBe(false);
    expect(isSecretKey(key.slice(0, at) + key.slice(at + 1))).toBe(false);
  }
  for (const other of [`${key}0`, `0${key}`, `${key}\n`, ` ${key}`, key.toUpperCase(), "", "sk_"]) {
    expect(isSecretKey(other)).toBe(false);
  }
});

test.each([0, 1, 16, 43, 1_000])("%i random characters are so many, of base62", (length) => {
  const text = randomBase62(length);
  expect(text).toHaveLength(length);
  expect(text).toMatch(/^[0-9A-Za-z]*$/);
});

test("random characters are drawn alike", () => {
  const counts = new Map<string, number>();
  for (const c of randomBase62(124_000)) counts.set(c, (counts.get(c) ?? 0) + 1);
  expect(counts.size).toBe(62);
  // 2000 of each are due, and 45 the deviation: a byte modulo 62 gives some 25 % more than others.
  for (const [c, count] of counts) {
    expect(count, c).toBeGreaterThan(1_700);
    expect(count, c).toBeLessThan(2_300);
  }
});

test("identifiers have their type's prefix, differ, and sort by the time of their making", async () => {
  const ids = many(() => newId("svc"));
  for (const id of ids) expect(id).toMatch(/^svc_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
  expect(new Set(ids).size).toBe(ids.length);
  const began = Date.now();
  while (Date.now() === began) await new Promise((resolve) => setImmediate(resolve));
  expect(newId("svc") > (ids[0] as string)).toBe(true);
});

test("request identifiers differ", () => {
  const ids = many(newRequestId);
  for (const id of ids) expect(id).toMatch(/^req_[0-9a-f]{32}$/);
  expect(new Set(ids).size).toBe(ids.length);
});
