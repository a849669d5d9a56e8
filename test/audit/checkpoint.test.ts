import fc from "fast-check";
import { AuditFormatError, parseOrganizationLeaf } from "pdaas/audit";
import { describe, expect, test } from "vitest";
import { formatCheckpoint, organizationLeaf, parseCheckpoint } from "../../src/audit/checkpoint.ts";

const sizes = fc.maxSafeNat();
const roots = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const origins = fc
  .string({ unit: "grapheme", minLength: 1 })
  .filter((text) => !/\p{Cc}/u.test(text));

test("the specification's example", () => {
  const text =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  const checkpoint = parseCheckpoint(text);
  expect(checkpoint).toMatchObject({ origin: "example.com/behind-the-sofa", size: 20852163 });
  expect(formatCheckpoint(checkpoint)).toBe(text);
});

test("every checkpoint is read as it was written, with extension lines too", () => {
  const property = fc.property(origins, sizes, roots, (origin, size, root) => {
    const text = formatCheckpoint({ origin, size, root });
    expect(parseCheckpoint(text)).toEqual({ origin, size, root });
    expect(parseCheckpoint(`${text}an extension\nanother\n`)).toEqual({ origin, size, root });
  });
  fc.assert(property);
});

test("an organization's leaf is read as it was written", () => {
  const property = fc.property(origins, sizes, roots, (organizationId, size, root) => {
    const leaf = organizationLeaf({ organizationId, size, root });
    expect(parseOrganizationLeaf(leaf)).toEqual({ organizationId, size, root });
    expect(() => parseOrganizationLeaf(leaf.subarray(0, -1))).toThrow(AuditFormatError);
    expect(() => parseOrganizationLeaf(Buffer.concat([leaf, leaf]))).toThrow(AuditFormatError);
  });
  fc.assert(property);
});

test("what is read in two ways is refused: the text is its own only form", () => {
  const property = fc.property(fc.string({ unit: "binary" }), (text) => {
    let parsed: ReturnType<typeof parseCheckpoint>;
    try {
      parsed = parseCheckpoint(text);
    } catch (error) {
      expect(error).toBeInstanceOf(AuditFormatError);
      return;
    }
    expect(text.startsWith(formatCheckpoint(parsed))).toBe(true);
  });
  fc.assert(property);
});

describe("strictly one form:", () => {
  const root = Buffer.alloc(32, 0xff);
  const [origin, size, hash] = ["log.example.com", "12", root.toString("base64")];
  test.each([
    ["nothing", ""],
    ["no origin", `\n${size}\n${hash}\n`],
    ["no root", `${origin}\n${size}\n`],
    ["no newline at the end", `${origin}\n${size}\n${hash}`],
    ["an empty extension line", `${origin}\n${size}\n${hash}\n\n`],
    ["carriage returns", `${origin}\r\n${size}\r\n${hash}\r\n`],
    ["a size with a zero before it", `${origin}\n012\n${hash}\n`],
    ["a negative size", `${origin}\n-1\n${hash}\n`],
    ["a size with a sign", `${origin}\n+12\n${hash}\n`],
    ["a size with an exponent", `${origin}\n1e3\n${hash}\n`],
    ["a size beyond what numbers hold", `${origin}\n9007199254740992\n${hash}\n`],
    ["a root of 31 bytes", `${origin}\n${size}\n${root.subarray(1).toString("base64")}\n`],
    ["a root without padding", `${origin}\n${size}\n${hash.replace("=", "")}\n`],
    ["a root with stray bits", `${origin}\n${size}\n${hash.replace("8=", "9=")}\n`],
    ["a root in base64url", `${origin}\n${size}\n${root.toString("base64url")}=\n`],
  ])("%s", (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow(AuditFormatError);
  });

  test.each([
    ["no origin", { origin: "" }],
    ["an origin of two lines", { origin: "a\n12" }],
    ["half a number", { size: 0.5 }],
    ["a short root", { root: Buffer.alloc(31) }],
  ])("%s is not written", (_, change) => {
    expect(() => formatCheckpoint({ origin, size: 12, root, ...change })).toThrow(RangeError);
  });
});
