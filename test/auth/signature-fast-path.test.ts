import fc from "fast-check";
import { expect, test } from "vitest";
import { readSignature, type SignedHead } from "../../src/auth/signature.ts";
import { readUsualHeaders } from "../../src/auth/signature-fast-path.ts";
import { type BareItem, parseDictionary } from "../../src/auth/structured-fields.ts";
import { ServiceError } from "../../src/errors.ts";
import { NodeHead } from "../../src/server/node-head.ts";

type Headers = readonly [input: string, signature: string, digest: string];

const words = (pattern: RegExp) => fc.stringMatching(pattern);
const components = fc.constantFrom(
  '"@method" "@authority" "@path" "content-digest"',
  '"@method" "@authority" "@path" "content-digest" "content-type"',
  '"@method"  "@authority" "@path" "content-digest"',
  '"@method" "@path" "@authority" "content-digest"',
  '"@method" "@authority" "@path"',
);
const time = fc.oneof(
  fc.integer({ min: 1_699_999_900, max: 1_700_000_100 }).map(String),
  words(/^\d{1,16}$/),
);
const nonce = fc.oneof(words(/^[A-Za-z0-9_-]{22}$/), words(/^[A-Za-z0-9_-]{20,66}$/));
const keyid = fc.oneof(words(/^[A-Za-z0-9_]{1,40}$/), words(/^[A-Za-z0-9_]{126,130}$/));
const base64 = fc.oneof(
  fc.uint8Array({ minLength: 31, maxLength: 33 }).map((b) => Buffer.from(b).toString("base64")),
  words(/^[A-Za-z0-9+/]{43}=$/),
);
const headers: fc.Arbitrary<Headers> = fc
  .record({ components, created: time, expires: time, nonce, keyid, mac: base64, digest: base64 })
  .map((v) => [
    `sig=(${v.components});created=${v.created};expires=${v.expires};nonce="${v.nonce}";keyid="${v.keyid}";alg="hmac-sha256";tag="pdaas-v1"`,
    `sig=:${v.mac}:`,
    `sha-256=:${v.digest}:`,
  ]);

/** Headers of the usual form with all but the numbers right, so that most are accepted. */
const usual: fc.Arbitrary<Headers> = fc
  .tuple(headers, fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 1, max: 310 }))
  .map(([[input], bytes, seconds]) => {
    const text = Buffer.from(bytes).toString("base64");
    const timed = input
      .replace(/created=\d+/, "created=1700000000")
      .replace(/expires=\d+/, `expires=${1_700_000_000 + seconds}`);
    return [timed, `sig=:${text}:`, `sha-256=:${text}:`];
  });

const mutated: fc.Arbitrary<Headers> = fc
  .tuple(
    usual,
    fc.nat({ max: 2 }),
    fc.nat(),
    fc.nat({ max: 2 }),
    fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom("0", "A", "_", "=", '"', ";", " ", ")")),
  )
  .map(([list, which, at, removed, inserted]) => {
    const text = list[which] as string;
    const from = at % text.length;
    const changed = text.slice(0, from) + inserted + text.slice(from + removed);
    return list.with(which, changed) as unknown as Headers;
  });

function bytesOf(item: BareItem | undefined): string | undefined {
  return item?.kind === "bytes" ? item.value.toString("base64") : undefined;
}

/** The same headers' meaning, from the parser; undefined where they are not what the profile takes. */
function strictly([input, signature, digest]: Headers) {
  const member = parseDictionary(input).get("sig");
  const parameters = Object.fromEntries(
    [...(member?.parameters ?? [])].map(([name, item]) => [name, "value" in item && item.value]),
  );
  const { created, expires, nonce, keyid: accessKey, ...rest } = parameters;
  expect(rest).toEqual({ alg: "hmac-sha256", tag: "pdaas-v1" });
  expect(member?.canonical).toBe(true);
  return {
    components: member?.list?.map(({ item }) => "value" in item && item.value),
    text: member?.text,
    parameters: { created, expires, nonce, accessKey },
    signature: bytesOf(parseDictionary(signature).get("sig")?.item),
    digest: bytesOf(parseDictionary(digest).get("sha-256")?.item),
  };
}

function read(input: string, signature: string, digest: string): SignedHead | string {
  const head = new NodeHead("POST", "api.example.com", "/t.v1.T/Do", {
    "content-type": "application/grpc",
    "content-digest": digest,
    "signature-input": input,
    signature,
  });
  try {
    return readSignature(head, 1_700_000_000, undefined);
  } catch (error) {
    if (error instanceof ServiceError) return error.reason;
    throw error;
  }
}

test.each([
  ["headers of the usual form", usual, 1_000],
  ["headers near the usual form", headers, 10],
  ["headers with some characters changed", mutated, 50],
])("%s: what is read fast means the same to the parser", (_, arbitrary, atLeast) => {
  let accepted = 0;
  fc.assert(
    fc.property(arbitrary, (given) => {
      const fast = readUsualHeaders(...given);
      if (fast === undefined) return;
      accepted++;
      expect(fast).toEqual(strictly(given));
      // Another's member beside ours is ignored, but leaves all to the parser.
      const slow: Headers = [`${given[0]}, other=("a")`, given[1], given[2]];
      expect(readUsualHeaders(...slow)).toBeUndefined();
      expect(read(...given)).toEqual(read(...slow));
    }),
    { numRuns: 4_000 },
  );
  expect(accepted).toBeGreaterThan(atLeast);
});

test("headers that differ from the usual form in anything are left to the parser", () => {
  const [good] = fc.sample(
    usual.filter((given) => readUsualHeaders(...given) !== undefined),
    1,
  ) as [Headers];
  const [input, signature, digest] = good;
  const others: Parameters<typeof readUsualHeaders>[] = [
    [input.replace("sig=", "sig2="), signature, digest],
    [`${input} `, signature, digest],
    [`${input}\n`, signature, digest],
    [input, `${signature}\n`, digest],
    [input, signature, `${digest}\n`],
    [input, signature, `${digest}, ${digest}`],
    [input.replace("pdaas-v1", "pdaas-v2"), signature, digest],
    [input.replace(";created=", ";created=0"), signature, digest],
    [input.replace(";expires=", ";expires=0"), signature, digest],
    [input.replace(";created=", ";created=999999"), signature, digest],
    [input.replace(";expires=", ";expires=999999"), signature, digest],
    [input, `sig=:${"A".repeat(42)}B=:`, digest],
    [input, signature, `sha-256=:${"A".repeat(42)}B=:`],
    [input, "", digest],
    [input, signature, undefined],
  ];
  for (const other of others) expect(readUsualHeaders(...other)).toBeUndefined();
});
