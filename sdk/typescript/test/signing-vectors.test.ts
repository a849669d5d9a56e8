import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { signRequest } from "../src/index.ts";
import {
  contentDigest,
  hmacSha256,
  signatureBase,
  signatureParams,
} from "../src/signing/profile.ts";

interface SignVector {
  name: string;
  access_key: string;
  secret_key: string;
  request: {
    method: string;
    url: string;
    content_type: string;
    covers_content_type: boolean;
    body_hex: string;
  };
  created: number;
  nonce: string;
  expect: { content_digest: string; signature_input: string; signature: string };
}

const file = new URL("../../../test/vectors/signing.json", import.meta.url);
const vectors: SignVector[] = JSON.parse(readFileSync(file, "utf8")).sign;

test("there are vectors to sign", () => {
  expect(vectors.length).toBeGreaterThan(0);
});

test.each(vectors)("vector $name: the same headers", (vector) => {
  const { method, url, content_type, covers_content_type, body_hex } = vector.request;
  const headers = signRequest({
    accessKey: vector.access_key,
    secretKey: vector.secret_key,
    method,
    url,
    contentType: covers_content_type ? content_type : undefined,
    body: Buffer.from(body_hex, "hex"),
    now: vector.created,
    nonce: vector.nonce,
  });
  expect(headers).toEqual({
    "content-digest": vector.expect.content_digest,
    "signature-input": vector.expect.signature_input,
    signature: vector.expect.signature,
  });
});

test("RFC 9421 B.2.5: the same signature", () => {
  const base = signatureBase(
    [
      ["date", "Tue, 20 Apr 2021 02:07:55 GMT"],
      ["@authority", "example.com"],
      ["content-type", "application/json"],
    ],
    '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
  );
  const secret =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
  expect(hmacSha256(createSecretKey(secret, "base64"), base)).toBe(
    "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
  );
});

test("a gRPC request with a raw key and another tag: the same digest and signature", () => {
  const digest = contentDigest([Buffer.from("0000000003", "hex"), Buffer.from("0a0178", "hex")]);
  expect(digest).toBe("sha-256=:5/wc3JdUT07hJ/GZgAvZuyuKEyiApC1DOvSjHBCJ6Vs=:");
  const components = [
    ["@method", "POST"],
    ["@authority", "api.example.com"],
    ["@path", "/t.v1.T/Do"],
    ["content-digest", digest],
  ] as const;
  const params = signatureParams(
    components.map(([name]) => name),
    {
      created: 1_700_000_000,
      expires: 1_700_000_060,
      nonce: "A".repeat(22),
      keyid: "sa-test",
      tag: "acme-sa-v1",
    },
  );
  const key = createSecretKey(Buffer.alloc(32, 7));
  expect(hmacSha256(key, signatureBase(components, params))).toBe(
    "qv01pqQw5gkhcvJuB8P7I9t+JlEOQgFI/MQ2TRtQCIM=",
  );
});

const request = {
  method: "POST",
  url: "http://api.example.com/t.v1.T/Do",
  contentType: "application/json",
  accessKey: "sa_test",
  secretKey: "sk_test",
  body: "{}",
  now: 1_700_000_000.9,
  nonce: "A".repeat(22),
};

test("ports 80 and 443 and upper case do not matter, other ports do", () => {
  const sign = (origin: string) =>
    signRequest({ ...request, url: `${origin}/t.v1.T/Do` }).signature;
  const plain = sign("http://api.example.com");
  for (const same of ["http://API.Example.com:80", "https://api.example.com:443"]) {
    expect(sign(same)).toBe(plain);
  }
  expect(sign("https://api.example.com:80")).toBe(plain);
  expect(sign("http://api.example.com:8080")).not.toBe(plain);
});

test("without a nonce: 128 random bits, never the same", () => {
  const nonces = Array.from({ length: 50 }, () => {
    const headers = signRequest({ ...request, nonce: undefined });
    return /;nonce="([A-Za-z0-9_-]{22})";/.exec(headers["signature-input"])?.[1];
  });
  expect(nonces).not.toContain(undefined);
  expect(new Set(nonces).size).toBe(50);
});

test("text and its UTF-8 bytes: the same headers", () => {
  const text = '{"name":"grüße"}';
  expect(signRequest({ ...request, body: text })).toEqual(
    signRequest({ ...request, body: new TextEncoder().encode(text) }),
  );
});

test.each([
  ["a query", { url: "http://api.example.com/t.v1.T/Do?x=1" }],
  ["a nonce that is too short", { nonce: "short" }],
  ["a nonce that breaks out", { nonce: `${"A".repeat(22)}";tag="x` }],
  ["no URL", { url: "api.example.com" }],
])("%s: refused", (_, change) => {
  expect(() => signRequest({ ...request, ...change })).toThrow(TypeError);
});
