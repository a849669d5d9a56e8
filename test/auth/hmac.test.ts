import { createHmac, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { HmacKey } from "../../src/auth/hmac.ts";

const macOf = (key: Buffer, text: string) =>
  createHmac("sha256", key).update(text, "latin1").digest();
const text = '"@method": POST\n"@path": /t.v1.T/Do';

// 64 bytes are a block; 4096 of key and text are what fits the buffer that is kept.
test.each([0, 1, 31, 32, 52, 63, 64, 65, 128, 1_000])(
  "a key of %i bytes: as node:crypto",
  (size) => {
    const key = randomBytes(size);
    const hmac = new HmacKey(key);
    for (const length of [0, 1, 55, 64, 500, 4_031, 4_032, 4_033, 100_000]) {
      const long = randomBytes(length).toString("latin1");
      const mac = macOf(key, long).toString("base64");
      expect(hmac.holds(long, mac), `text of ${length}`).toBe(true);
      expect(hmac.holds(`${long}x`, mac), `text of ${length} and one more`).toBe(false);
    }
  },
);

test("RFC 4231 test case 2: holds", () => {
  const mac = Buffer.from(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    "hex",
  ).toString("base64");
  expect(new HmacKey(Buffer.from("Jefe")).holds("what do ya want for nothing?", mac)).toBe(true);
});

test("every changed bit of the MAC is refused", () => {
  const key = randomBytes(52);
  const hmac = new HmacKey(key);
  const mac = macOf(key, text);
  expect(hmac.holds(text, mac.toString("base64"))).toBe(true);
  for (let bit = 0; bit < 256; bit++) {
    const changed = Buffer.from(mac);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(hmac.holds(text, changed.toString("base64")), `bit ${bit}`).toBe(false);
  }
});

test("a MAC of another length is refused, also right after the same MAC held", () => {
  const key = randomBytes(52);
  const hmac = new HmacKey(key);
  const mac = macOf(key, text);
  for (let size = 0; size < 32; size++) {
    expect(hmac.holds(text, mac.toString("base64"))).toBe(true);
    expect(hmac.holds(text, mac.subarray(0, size).toString("base64")), `${size}`).toBe(false);
  }
});

test.each(["", ":", "*".repeat(44), "é".repeat(44), "=".repeat(44), "AAAA", "A".repeat(43)])(
  "garbage for a MAC, %j: refused",
  (garbage) => {
    const key = randomBytes(52);
    const hmac = new HmacKey(key);
    expect(hmac.holds(text, macOf(key, text).toString("base64"))).toBe(true);
    expect(hmac.holds(text, garbage)).toBe(false);
  },
);

test("another key, another text: refused", () => {
  const key = randomBytes(52);
  const mac = macOf(key, text).toString("base64");
  expect(new HmacKey(key).holds(text, mac)).toBe(true);
  expect(new HmacKey(randomBytes(52)).holds(text, mac)).toBe(false);
  expect(new HmacKey(key).holds(text.replace("POST", "GET"), mac)).toBe(false);
});

test("the key is not kept: what becomes of its buffer does not matter", () => {
  for (const size of [52, 100]) {
    const key = randomBytes(size);
    const mac = macOf(key, text).toString("base64");
    const hmac = new HmacKey(key);
    key.fill(0);
    expect(hmac.holds(text, mac)).toBe(true);
  }
});

test("keys in turn do not disturb each other", () => {
  const keys = Array.from({ length: 20 }, () => randomBytes(52));
  const hmacs = keys.map((key) => new HmacKey(key));
  for (const [i, hmac] of hmacs.entries()) {
    for (const [j, key] of keys.entries()) {
      expect(hmac.holds(text, macOf(key, text).toString("base64"))).toBe(i === j);
    }
  }
});
