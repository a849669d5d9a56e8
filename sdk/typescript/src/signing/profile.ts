import { createHash, createHmac, type KeyObject } from "node:crypto";

/** What a signer covers: a component's name and its value (RFC 9421 §2). */
export type Component = readonly [name: string, value: string];

/** The parameters of a signature (RFC 9421 §2.3). Times are Unix seconds. */
export interface SignatureParameters {
  created: number;
  expires: number;
  nonce: string;
  keyid: string;
  tag: string;
}

/** The value of `@signature-params`, which is also what follows `sig=` in `signature-input`. */
export function signatureParams(names: readonly string[], parameters: SignatureParameters): string {
  const { created, expires, nonce, keyid, tag } = parameters;
  const covered = names.map((name) => `"${name}"`).join(" ");
  return `(${covered});created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}";alg="hmac-sha256";tag="${tag}"`;
}

/** The signature base (RFC 9421 §2.5): a line for each component, then the parameters. */
export function signatureBase(components: readonly Component[], params: string): string {
  const lines = components.map(([name, value]) => `"${name}": ${value}`);
  return [...lines, `"@signature-params": ${params}`].join("\n");
}

/** HMAC-SHA256 of a signature base (RFC 9421 §3.3.3), in base64. */
export function hmacSha256(key: KeyObject, base: string): string {
  return createHmac("sha256", key).update(base).digest("base64");
}

/** The value of `content-digest` (RFC 9530 §2) for content given in pieces. */
export function contentDigest(body: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of body) hash.update(piece);
  return `sha-256=:${hash.digest("base64")}:`;
}
