import { createHash, createHmac } from "node:crypto";
import { type InnerList, parseDictionary } from "structured-headers";
import type { CapturedRequest } from "./server.ts";

/** What a signature that holds says. */
export interface VerifiedSignature {
  components: string[];
  created: number;
  nonce: string;
}

/**
 * Checks a request as it arrived against the profile, without a line of the signer's code.
 * @throws Error that says what does not hold
 */
export function verify(
  request: CapturedRequest,
  key: { accessKey: string; secretKey: string },
): VerifiedSignature {
  const input = headerOf(request, "signature-input");
  const [items, parameters] = parseDictionary(input).get("sig") as InnerList;
  const components = items.map(([name]) => String(name));
  const lines = components.map((name) => `"${name}": ${componentOf(request, name)}`);
  lines.push(`"@signature-params": ${input.slice("sig=".length)}`);
  const mac = createHmac("sha256", key.secretKey).update(lines.join("\n")).digest("base64");
  expectEqual("signature", headerOf(request, "signature"), `sig=:${mac}:`);
  const digest = createHash("sha256").update(request.body).digest("base64");
  expectEqual("content-digest", headerOf(request, "content-digest"), `sha-256=:${digest}:`);

  const names = ["created", "expires", "nonce", "keyid", "alg", "tag"];
  expectEqual("parameters", [...parameters.keys()].join(), names.join());
  const { created, expires, nonce, keyid, alg, tag } = Object.fromEntries(parameters);
  expectEqual("lifetime", Number(expires) - Number(created), 60);
  expectEqual("keyid, alg, tag", `${keyid},${alg},${tag}`, `${key.accessKey},hmac-sha256,pdaas-v1`);
  if (!/^[A-Za-z0-9_-]{22}$/.test(String(nonce))) throw new Error(`nonce ${nonce}`);
  return { components, created: Number(created), nonce: String(nonce) };
}

function componentOf(request: CapturedRequest, name: string): string {
  if (name === "@method") return request.method;
  if (name === "@authority") return request.authority.toLowerCase();
  if (name === "@path") return request.target;
  return headerOf(request, name);
}

function headerOf(request: CapturedRequest, name: string): string {
  const value = request.headers[name];
  if (typeof value !== "string") throw new Error(`no header ${name}`);
  return value;
}

function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`);
}
