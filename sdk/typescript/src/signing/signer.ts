import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import {
  type Component,
  contentDigest,
  hmacSha256,
  signatureBase,
  signatureParams,
} from "./profile.ts";

const tag = "pdaas-v1";
const lifetimeSeconds = 60;

/** An API key. */
export interface SigningKey {
  /** The public half, `sa_…`. */
  accessKey: string;
  /** The secret half, `sk_…`, as it was issued. */
  secretKey: string;
}

/** The API key to sign with, or a function that gives it, so that it can be replaced by another. */
export type KeySource =
  | (SigningKey & { key?: never })
  | {
      /** Asked at each attempt of a call. */
      key: () => SigningKey;
      accessKey?: never;
      secretKey?: never;
    };

/** What a signature adds to a request. */
export interface SignatureHeaders {
  "content-digest": string;
  "signature-input": string;
  signature: string;
}

/** A request in the terms of RFC 9421 §2.2. */
export interface SignableRequest {
  method: string;
  /** Host and port that the request is sent to. */
  authority: string;
  /** The path of the request target, without a query. */
  path: string;
  /** The content type, when it is to be covered: all but gRPC's and gRPC-Web's own must be. */
  contentType: string | undefined;
  /** The content as sent, in pieces: with the 5-byte prefix where the protocol has one. */
  body: readonly Uint8Array[];
  /** 22 to 64 characters `[A-Za-z0-9_-]`; random when absent. */
  nonce?: string | undefined;
}

/** Signs requests with one API key, each with a fresh nonce. */
export class Signer {
  readonly #accessKey: string;
  readonly #key: KeyObject;
  readonly #now: () => number;

  /**
   * @param now the time in Unix seconds
   * @throws TypeError when a half of the key is missing or cannot be one
   */
  constructor({ accessKey, secretKey }: SigningKey, now: () => number = systemTime) {
    if (!/^[A-Za-z0-9_]{1,128}$/.test(accessKey)) {
      throw new TypeError(
        "accessKey must be the access key as it was issued: letters, digits and underscores.",
      );
    }
    if (typeof secretKey !== "string" || secretKey === "") {
      throw new TypeError("secretKey must be the secret key as it was issued.");
    }
    this.#accessKey = accessKey;
    this.#key = createSecretKey(secretKey, "utf8");
    this.#now = now;
  }

  sign(request: SignableRequest): SignatureHeaders {
    const digest = contentDigest(request.body);
    const components = covered(request, digest);
    const created = Math.floor(this.#now());
    const params = signatureParams(
      components.map(([name]) => name),
      {
        created,
        expires: created + lifetimeSeconds,
        nonce: request.nonce ?? randomBytes(16).toString("base64url"),
        keyid: this.#accessKey,
        tag,
      },
    );
    return {
      "content-digest": digest,
      "signature-input": `sig=${params}`,
      signature: `sig=:${hmacSha256(this.#key, signatureBase(components, params))}:`,
    };
  }
}

/**
 * @param now the time in Unix seconds
 * @returns what gives the signer of the next attempt
 * @throws TypeError when the key cannot be used; what is returned does, too, when a later one cannot
 */
export function signersOf(source: KeySource, now?: () => number): () => Signer {
  if (source.key === undefined) {
    const signer = new Signer(source, now);
    return () => signer;
  }
  const { key } = source;
  let current = { ...key() };
  let signer = new Signer(current, now);
  return () => {
    const { accessKey, secretKey } = key();
    if (accessKey !== current.accessKey || secretKey !== current.secretKey) {
      signer = new Signer({ accessKey, secretKey }, now);
      current = { accessKey, secretKey };
    }
    return signer;
  };
}

function covered(request: SignableRequest, digest: string): Component[] {
  const components: Component[] = [
    ["@method", request.method],
    ["@authority", request.authority.toLowerCase().replace(/:(?:80|443)$/, "")],
    ["@path", request.path],
    ["content-digest", digest],
  ];
  if (request.contentType !== undefined) components.push(["content-type", request.contentType]);
  return components;
}

function systemTime(): number {
  return Date.now() / 1000;
}
