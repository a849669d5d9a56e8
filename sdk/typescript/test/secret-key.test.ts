import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { isSecretKey as inBrowsers } from "../src/browser.ts";
import { isSecretKey } from "../src/index.ts";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A secret key, with the checksum by zlib's hand. */
function withChecksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (; digits.length < 6; rest = Math.floor(rest / 62)) digits = base62[rest % 62] + digits;
  return text + digits;
}

const random = () => {
  const values = crypto.getRandomValues(new Uint8Array(43));
  return withChecksum(`sk_${Array.from(values, (value) => base62[value % 62]).join("")}`);
};
const example = withChecksum(`sk_${"A".repeat(43)}`);

test("what has the form and the checksum is one", () => {
  const keys = [example, ...Array.from({ length: 1_000 }, random)];
  expect(keys.filter((key) => !isSecretKey(key))).toEqual([]);
  expect(inBrowsers).toBe(isSecretKey);
});

test("a key with any one character changed is none", () => {
  const key = random();
  const changed = Array.from(key, (character, index) => {
    return key.slice(0, index) + (character === "x" ? "y" : "x") + key.slice(index + 1);
  });
  expect(changed.filter(isSecretKey)).toEqual([]);
});

test.each(["", "sk_", "sk_test", example.slice(1), example.slice(0, -1), `${example}0`])(
  "%j is none",
  (text) => expect(isSecretKey(text)).toBe(false),
);

test.each([`${example}\n`, ` ${example}`, example.toLowerCase(), example.replace("A", "Å")])(
  "%j is none",
  (text) => expect(isSecretKey(text)).toBe(false),
);
