import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { expect, test } from "vitest";
import { HmacKey } from "../../src/auth/hmac.ts";
import { normalAuthority } from "../../src/auth/request-head.ts";
import {
  digestHolds,
  hasSignature,
  macHolds,
  readSignature,
  signatureBase,
} from "../../src/auth/signature.ts";
import { ServiceError } from "../../src/errors.ts";
import { NodeHead } from "../../src/server/node-head.ts";
import vectors from "../vectors/signing.json" with { type: "json" };

interface VectorRequest {
  method: string;
  target: string;
  authority: string;
  headers: string[][];
  body_hex: string;
}

const keys = new Map(
  vectors.keys.map((key) => [key.access_key, new HmacKey(Buffer.from(key.secret_key))]),
);
const decoyKey = new HmacKey(randomBytes(52));

/** A head as Node makes it: a plain object of headers, repeated ones joined. */
function headOf({ method, authority, target, headers }: VectorRequest): NodeHead {
  const joined: IncomingHttpHeaders = {};
  for (const [name, value] of headers as [string, string][]) {
    const before = joined[name];
    joined[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return new NodeHead(method, authority, target, joined);
}

/** What the service answers, in the order of its checks; nonces and addresses are left out. */
function outcome(request: VectorRequest, now: number): string {
  const head = headOf(request);
  try {
    const signed = readSignature(head, now, undefined);
    const key = keys.get(signed.accessKey);
    const macHeld = macHolds(signed, key ?? decoyKey);
    if (key === undefined || !macHeld) return "SIGNATURE_INVALID";
    return digestHolds(signed, Buffer.from(request.body_hex, "hex")) ? "OK" : "DIGEST_MISMATCH";
  } catch (error) {
    if (error instanceof ServiceError) return error.reason;
    throw error;
  }
}

test("the vectors hold every outcome of a signature's check", () => {
  expect(new Set(vectors.verify.map((vector) => vector.expect))).toEqual(
    new Set([
      "OK",
      "SIGNATURE_MISSING",
      "SIGNATURE_MALFORMED",
      "SIGNATURE_COVERAGE",
      "SIGNATURE_NOT_YET_VALID",
      "SIGNATURE_EXPIRED",
      "SIGNATURE_INVALID",
      "DIGEST_MISMATCH",
      "CREDENTIALS_AMBIGUOUS",
    ]),
  );
});

test.each(vectors.verify)("vector to verify: $name: $expect", (vector) => {
  expect(outcome(vector.request, vector.now)).toBe(vector.expect);
});

test.each(vectors.sign)("vector to sign: $name: verifies, with the same base", (vector) => {
  const { method, url, content_type, body_hex } = vector.request;
  const [, authority, target] = /^https?:\/\/([^/]+)(\/.*)$/.exec(url) as unknown as string[];
  const head = headOf({
    method,
    authority: authority as string,
    target: target as string,
    body_hex,
    headers: [
      ["content-type", content_type],
      ["content-digest", vector.expect.content_digest],
      ["signature-input", vector.expect.signature_input],
      ["signature", vector.expect.signature],
    ],
  });
  const signed = readSignature(head, vector.created, undefined);
  expect(signed).toMatchObject({
    accessKey: vector.access_key,
    nonce: vector.nonce,
    created: vector.created,
    expires: vector.expires,
    base: vector.expect.signature_base.join("\n"),
  });
  expect(macHolds(signed, new HmacKey(Buffer.from(vector.secret_key)))).toBe(true);
  expect(digestHolds(signed, Buffer.from(body_hex, "hex"))).toBe(true);
});

test.each([
  ["RFC 9421 B.2.5", vectors.rfc9421_b_2_5],
  ["a gRPC request with a raw key", vectors.acme],
])("%s: the same base and signature", (_, vector) => {
  const base = signatureBase(headOf(vector.request), vector.components, vector.signature_params);
  expect(base).toBe(vector.signature_base.join("\n"));
  const key = new HmacKey(Buffer.from(vector.secret_key_base64, "base64"));
  expect(key.holds(base, vector.signature)).toBe(true);
  expect(key.holds(`${base} `, vector.signature)).toBe(false);
});

const valid = vectors.verify.find(({ name }) => name === "gRPC") as (typeof vectors.verify)[0];

function refusal(head: NodeHead, now: number, authorities?: Set<string>): ServiceError {
  try {
    readSignature(head, now, authorities);
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("another authority than the configured ones is refused, whatever its port and case", () => {
  const head = headOf(valid.request);
  const read = (...names: string[]) => readSignature(head, valid.now, new Set(names));
  expect(read("api.example.com").accessKey).toBe(vectors.keys[0]?.access_key);
  expect(read("other.example.com", "api.example.com").nonce).toHaveLength(22);
  expect(refusal(head, valid.now, new Set(["other.example.com"])).reason).toBe(
    "SIGNATURE_COVERAGE",
  );
  const upper = headOf({ ...valid.request, authority: "API.example.com:443" });
  expect(readSignature(upper, valid.now, new Set(["api.example.com"])).base).toContain(
    '"@authority": api.example.com\n',
  );
});

test.each([
  ["API.Example.com:443", "api.example.com"],
  ["api.example.com:80", "api.example.com"],
  ["api.example.com:8080", "api.example.com:8080"],
  ["api.example.com:8443", "api.example.com:8443"],
  ["[2001:DB8::7]:443", "[2001:db8::7]"],
  ["[2001:db8::80]", "[2001:db8::80]"],
])("authority %s: reads as %s", (given, normal) => {
  expect(normalAuthority(given)).toBe(normal);
});

test("a refused time comes with the server's", () => {
  for (const now of [valid.now + 1_000.9, valid.now - 1_000.1]) {
    const { metadata, message } = refusal(headOf(valid.request), now);
    expect(metadata).toEqual({ server_time: String(Math.floor(now)) });
    expect(message).toContain(String(Math.floor(now)));
  }
});

test("parts of a second count: 30 of them are the limit", () => {
  const { created, expires } = readSignature(headOf(valid.request), valid.now, undefined);
  expect(outcome(valid.request, created - 30)).toBe("OK");
  expect(outcome(valid.request, created - 30.001)).toBe("SIGNATURE_NOT_YET_VALID");
  expect(outcome(valid.request, expires + 30)).toBe("OK");
  expect(outcome(valid.request, expires + 30.001)).toBe("SIGNATURE_EXPIRED");
});

test("either header alone means to be signed, the digest alone does not", () => {
  const only = (name: string) =>
    headOf({ ...valid.request, headers: valid.request.headers.filter(([n]) => n === name) });
  expect(hasSignature(only("signature-input"))).toBe(true);
  expect(hasSignature(only("signature"))).toBe(true);
  expect(hasSignature(only("content-digest"))).toBe(false);
});

test("every changed byte of the three headers, the target or the body is refused", () => {
  const { request, now } = valid;
  expect(outcome(request, now)).toBe("OK");
  for (const [i, [name, value]] of (request.headers as [string, string][]).entries()) {
    if (name === "content-type") continue;
    for (let at = 0; at < value.length; at++) {
      const headers = request.headers.with(i, [name, flip(value, at)]);
      expect(outcome({ ...request, headers }, now), `${name} at ${at}`).not.toBe("OK");
    }
  }
  for (let at = 0; at < request.target.length; at++) {
    const target = flip(request.target, at);
    expect(outcome({ ...request, target }, now)).toBe("SIGNATURE_INVALID");
  }
  for (let at = 0; at < request.body_hex.length; at++) {
    const body_hex = flip(request.body_hex, at);
    expect(outcome({ ...request, body_hex }, now)).toBe("DIGEST_MISMATCH");
  }
});

function flip(text: string, at: number): string {
  const changed = String.fromCharCode(text.charCodeAt(at) ^ 1);
  return text.slice(0, at) + changed + text.slice(at + 1);
}
