import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import {
  dataKeyContext,
  masterKeyFrom,
  newDataKey,
  seal,
  secretContext,
  tokenKeyContext,
  unseal,
} from "../../src/auth/sealing.ts";

const key = randomBytes(32);
const secret = Buffer.from("sk_a secret that nobody else may read");
const context = secretContext("org_1", "key_1", 1);

test.each([0, 1, 16, 52, 5_000])("%i bytes: sealed and unsealed, they are the same", (size) => {
  const plaintext = randomBytes(size);
  const sealed = seal(key, plaintext, context);
  expect(sealed).toHaveLength(1 + 12 + size + 16);
  expect(unseal(key, sealed, context)).toEqual(plaintext);
});

test("the same thing sealed twice differs in all but its format", () => {
  const first = seal(key, secret, context);
  const second = seal(key, secret, context);
  expect(first.subarray(1, 13)).not.toEqual(second.subarray(1, 13));
  expect(first.subarray(13)).not.toEqual(second.subarray(13));
  expect(first.includes(secret.subarray(0, 8))).toBe(false);
});

test("another key is refused", () => {
  const sealed = seal(key, secret, context);
  expect(unseal(key, sealed, context)).toEqual(secret);
  expect(() => unseal(randomBytes(32), sealed, context)).toThrow();
});

test.each([
  ["another organization", secretContext("org_2", "key_1", 1)],
  ["another API key", secretContext("org_1", "key_2", 1)],
  ["another version", secretContext("org_1", "key_1", 2)],
  ["another kind", dataKeyContext("org_1")],
  ["no context", []],
  ["the parts cut elsewhere", ["secret key", "org_1", "key_", "11"]],
  ["the parts in one", [context.join("")]],
  ["a part that looks like two", ["secret key", "org_15:key_1", "1"]],
])("%s: refused", (_, other) => {
  const sealed = seal(key, secret, context);
  expect(unseal(key, sealed, context)).toEqual(secret);
  expect(() => unseal(key, sealed, other)).toThrow();
});

test("every flipped bit is refused", () => {
  const sealed = seal(key, secret, context);
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(() => unseal(key, changed, context), `bit ${bit}`).toThrow();
  }
  expect(unseal(key, sealed, context)).toEqual(secret);
});

test("every shortened or lengthened text is refused", () => {
  const sealed = seal(key, secret, context);
  for (let size = 0; size < sealed.length; size++) {
    expect(() => unseal(key, sealed.subarray(0, size), context), `${size} bytes`).toThrow();
  }
  expect(() => unseal(key, Buffer.concat([sealed, Buffer.of(0)]), context)).toThrow();
});

test("a refusal says nothing of what was sealed", () => {
  const sealed = seal(key, secret, context);
  try {
    unseal(randomBytes(32), sealed, context);
    expect.unreachable();
  } catch (error) {
    expect(String(error)).not.toContain(secret.toString());
    expect(String(error)).not.toContain(key.toString("hex"));
  }
});

test("contexts of different things are never the same", () => {
  const contexts = [dataKeyContext("a"), tokenKeyContext("a"), secretContext("a", "a", 1)];
  expect(new Set(contexts.map((parts) => JSON.stringify(parts))).size).toBe(contexts.length);
});

test("a data key has 32 bytes, never the same", () => {
  const keys = Array.from({ length: 100 }, newDataKey);
  expect(keys.every((made) => made.length === 32)).toBe(true);
  expect(new Set(keys.map((made) => made.toString("hex"))).size).toBe(100);
});

test("a master key's name tells keys apart, and nothing else about them", () => {
  const [one, same, other] = [
    masterKeyFrom(key),
    masterKeyFrom(Buffer.from(key)),
    masterKeyFrom(randomBytes(32)),
  ];
  expect(one.id).toMatch(/^mk_[0-9a-f]{12}$/);
  expect(same.id).toBe(one.id);
  expect(other.id).not.toBe(one.id);
  expect(key.toString("hex")).not.toContain(one.id.slice(3));
});

test.each([0, 16, 31, 33, 64])("a master key of %i bytes: refused", (size) => {
  expect(() => masterKeyFrom(randomBytes(size))).toThrow(`${size} bytes; it must have 32`);
});
