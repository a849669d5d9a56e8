import { hash } from "node:crypto";
import { Code, type Reason, ServiceError } from "../errors.ts";
import type { HmacKey } from "./hmac.ts";
import { componentValue, type RequestHead } from "./request-head.ts";
import { ensureListed, ensureMeaningCovered } from "./signature-coverage.ts";
import { readUsualHeaders } from "./signature-fast-path.ts";
import { FieldSyntaxError, type Member, parseDictionary } from "./structured-fields.ts";

// The wire profile of RFC 9421 (HTTP Message Signatures) and RFC 9530 (Content-Digest), on the
// verifier's side. Nothing here has state or asks anybody.

/** Clocks may differ by so much. */
export const maxSkewSeconds = 30;
/** A signature may be valid for so long. */
export const maxLifetimeSeconds = 300;

const tag = "pdaas-v1";
const algorithm = "hmac-sha256";
const maxHeaderBytes = 2048;
const maxComponents = 16;

/** The parameters of a signature that are not the same for all. */
export interface SignatureParameters {
  accessKey: string;
  nonce: string;
  /** Unix seconds, on the signer's clock. */
  created: number;
  expires: number;
}

/** What a signature claims; it holds when macHolds and digestHolds say so. */
export interface SignedHead extends SignatureParameters {
  /** The signature base (RFC 9421 §2.5). */
  base: string;
  /** 32 bytes, in base64. */
  signature: string;
  /** SHA-256 of the body, in base64; undefined for a GET, which has none. */
  digest: string | undefined;
}

/**
 * Whether a request means to be signed. Beside an access token only our own tag says so: a proxy may
 * sign what passes through it.
 */
export function hasSignature(head: RequestHead): boolean {
  const input = head.header("signature-input");
  if (head.header("authorization") !== undefined) return input?.includes(`"${tag}"`) === true;
  return input !== undefined || head.header("signature") !== undefined;
}

/**
 * Reads what a request claims to be signed with.
 * @param now Unix seconds
 * @param authorities what `@authority` may be; any when undefined
 * @throws ServiceError SIGNATURE_MISSING, SIGNATURE_MALFORMED, SIGNATURE_COVERAGE,
 *   SIGNATURE_NOT_YET_VALID, SIGNATURE_EXPIRED or CREDENTIALS_AMBIGUOUS
 */
export function readSignature(
  head: RequestHead,
  now: number,
  authorities: ReadonlySet<string> | undefined,
): SignedHead {
  if (head.header("authorization") !== undefined) throw ambiguous();
  const usual = readUsual(head);
  const { components, text, parameters, signature, digest } = usual ?? readAny(head);
  ensureLifetime(parameters);
  const isDigestSigned = components.includes("content-digest");
  const bodyDigest = isDigestSigned ? (digest ?? digestOf(head)) : undefined;
  if (usual === undefined) ensureListed(head, components);
  ensureMeaningCovered(head, components, authorities);
  ensureTimely(parameters, now);
  return {
    accessKey: parameters.accessKey,
    nonce: parameters.nonce,
    created: parameters.created,
    expires: parameters.expires,
    signature,
    digest: bodyDigest,
    base: signatureBase(head, components, text),
  };
}

interface Headers {
  components: readonly string[];
  /** The value of `@signature-params`. */
  text: string;
  parameters: SignatureParameters;
  /** Base64. */
  signature: string;
  /** Base64; undefined when it was not read yet. */
  digest?: string;
}

function readUsual(head: RequestHead): Headers | undefined {
  return readUsualHeaders(
    head.header("signature-input"),
    head.header("signature"),
    head.header("content-digest"),
  );
}

function readAny(head: RequestHead): Headers {
  const { label, member } = ourMember(field(head, "signature-input"));
  return {
    components: componentsOf(member),
    text: member.text,
    parameters: parametersOf(member),
    signature: signatureOf(field(head, "signature"), label),
  };
}

/**
 * The signature base (RFC 9421 §2.5).
 * @param parametersText the value of `@signature-params`: the covered components and the parameters
 */
export function signatureBase(
  head: RequestHead,
  components: readonly string[],
  parametersText: string,
): string {
  let base = "";
  for (const name of components) base += `"${name}": ${componentValue(head, name)}\n`;
  return `${base}"@signature-params": ${parametersText}`;
}

/** Whether the signature was made with the key, in a time that does not depend on the answer. */
export function macHolds(signed: SignedHead, key: HmacKey): boolean {
  return key.holds(signed.base, signed.signature);
}

/** Whether the body is the one whose digest was signed. */
export function digestHolds(signed: SignedHead, body: Uint8Array): boolean {
  if (signed.digest === undefined) return body.length === 0;
  return signed.digest === hash("sha256", body, "base64");
}

function field(head: RequestHead, name: string): Map<string, Member> {
  const text = head.header(name);
  if (text === undefined) {
    // One of the two headers alone is a broken signature; none of them, no signature.
    throw hasSignature(head) ? malformed(`The header ${name} is missing`) : missing();
  }
  if (text.length > maxHeaderBytes) throw malformed(`The header ${name} is over 2048 bytes`);
  try {
    return parseDictionary(text);
  } catch (error) {
    if (!(error instanceof FieldSyntaxError)) throw error;
    throw malformed(`The header ${name} is no dictionary (RFC 9651): ${error.message}`);
  }
}

/** The one member with our tag; proxies and others may add members with theirs. */
function ourMember(inputs: Map<string, Member>): { label: string; member: Member } {
  const ours = [...inputs].filter(([, { parameters }]) => {
    const value = parameters.get("tag");
    return value?.kind === "string" && value.value === tag;
  });
  if (ours.length > 1) throw malformed(`More than one signature has the tag "${tag}"`);
  const [label, member] = ours[0] ?? [];
  if (label === undefined || member === undefined) throw missing();
  return { label, member };
}

function componentsOf(member: Member): string[] {
  if (member.list === undefined) throw malformed("The covered components are no list");
  // The base holds this text as it came: another spelling of the same would be another base.
  if (!member.canonical) throw malformed("The signature's input is not in canonical form");
  if (member.list.length > maxComponents) throw malformed("Over 16 components are covered");
  const names = member.list.map(({ item, parameters }) => {
    if (item.kind !== "string") throw malformed("A component's name is no string");
    if (parameters.size > 0) throw malformed(`The component ${item.value} has parameters`);
    return item.value;
  });
  if (new Set(names).size < names.length) throw malformed("A component is covered twice");
  return names;
}

const parameterNames = ["created", "expires", "nonce", "keyid", "alg", "tag"];

function parametersOf({ parameters }: Member): SignatureParameters {
  const unknown = [...parameters.keys()].find((name) => !parameterNames.includes(name));
  if (unknown !== undefined) throw malformed(`There is no parameter ${unknown}`);
  const created = integer(parameters, "created");
  const expires = integer(parameters, "expires");
  if (text(parameters, "alg", /^.*$/s) !== algorithm) throw malformed(`alg must be "${algorithm}"`);
  return {
    created,
    expires,
    nonce: text(parameters, "nonce", /^[A-Za-z0-9_-]{22,64}$/),
    accessKey: text(parameters, "keyid", /^[A-Za-z0-9_]{1,128}$/),
  };
}

function ensureLifetime({ created, expires }: SignatureParameters): void {
  const lifetime = expires - created;
  if (lifetime > 0 && lifetime <= maxLifetimeSeconds) return;
  throw malformed("expires must lie 1 to 300 seconds after created");
}

function integer(parameters: Member["parameters"], name: string): number {
  const value = parameters.get(name);
  if (value?.kind !== "integer") throw malformed(`The parameter ${name} must be an integer`);
  return value.value;
}

function text(parameters: Member["parameters"], name: string, pattern: RegExp): string {
  const value = parameters.get(name);
  if (value?.kind === "string" && pattern.test(value.value)) return value.value;
  throw malformed(`The parameter ${name} must be a string that matches ${pattern.source}`);
}

function signatureOf(signatures: Map<string, Member>, label: string): string {
  const member = signatures.get(label);
  if (member?.item?.kind !== "bytes" || member.parameters.size > 0) {
    throw malformed(`The header signature has no bytes under the label ${label}`);
  }
  if (member.item.value.length !== 32) throw malformed("The signature must have 32 bytes");
  return member.item.value.toString("base64");
}

/**
 * RFC 9530 §2, narrowed to one SHA-256: of two digests, which one was checked?
 * @returns undefined when there is none, which is a matter of coverage
 */
function digestOf(head: RequestHead): string | undefined {
  if (head.header("content-digest") === undefined) return undefined;
  const digests = field(head, "content-digest");
  const member = digests.get("sha-256");
  const item = member?.item;
  if (digests.size === 1 && item?.kind === "bytes" && member?.parameters.size === 0) {
    if (item.value.length === 32) return item.value.toString("base64");
  }
  throw malformed("The header content-digest must have one member, sha-256, with 32 bytes");
}

function ensureTimely({ created, expires }: { created: number; expires: number }, now: number) {
  if (created > now + maxSkewSeconds) {
    throw untimely("SIGNATURE_NOT_YET_VALID", "The signature was created in the future", now);
  }
  if (expires < now - maxSkewSeconds) {
    throw untimely("SIGNATURE_EXPIRED", "The signature has expired", now);
  }
}

function untimely(reason: Reason, what: string, now: number): ServiceError {
  const time = String(Math.floor(now));
  return new ServiceError(
    Code.unauthenticated,
    reason,
    `${what}. Sign every attempt afresh, and set your clock: here it is ${time}.`,
    { metadata: { server_time: time } },
  );
}

function missing(): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "SIGNATURE_MISSING",
    `The request has no signature with the tag "${tag}". Send the headers signature-input, signature and content-digest.`,
  );
}

function malformed(what: string): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "SIGNATURE_MALFORMED",
    `${what}. See docs/hmac-authentication.md for the form that is accepted.`,
  );
}

function ambiguous(): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "CREDENTIALS_AMBIGUOUS",
    "The request has a signature and an authorization header. Send one of the two.",
  );
}
