import type { SignatureParameters } from "./signature.ts";

// Nearly every signed request has headers of exactly the form that docs/hmac-authentication.md shows,
// and reading that form is most of what a signature costs besides its HMAC. What matches here means the
// same to the parser, which a property test holds; what does not match is left to the parser.

/** The covered components of gRPC and gRPC-Web, and of Connect. */
const componentLists: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ["@method", "@authority", "@path", "content-digest"],
    ["@method", "@authority", "@path", "content-digest", "content-type"],
  ].map((names) => [names.map((name) => `"${name}"`).join(" "), names]),
);

const input =
  /^sig=(\(([^)]{1,100})\);created=([1-9]\d{0,14});expires=([1-9]\d{0,14});nonce="([A-Za-z0-9_-]{22,64})";keyid="([A-Za-z0-9_]{1,128})";alg="hmac-sha256";tag="pdaas-v1")$/;
/** 32 bytes in canonical base64: the last character but one has two bits to spare, which are zero. */
const signature = /^sig=:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=):$/;
const digest = /^sha-256=:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=):$/;

export interface UsualHeaders {
  components: readonly string[];
  /** The value of `@signature-params`. */
  text: string;
  parameters: SignatureParameters;
  /** Base64. */
  signature: string;
  /** Base64. */
  digest: string;
}

/** Reads headers of the usual form; undefined for all others, whether they are right or wrong. */
export function readUsualHeaders(
  inputHeader: string | undefined,
  signatureHeader: string | undefined,
  digestHeader: string | undefined,
): UsualHeaders | undefined {
  if (!inputHeader || !signatureHeader || !digestHeader) return undefined;
  const inputMatch = input.exec(inputHeader);
  const signatureMatch = signature.exec(signatureHeader);
  const digestMatch = digest.exec(digestHeader);
  const components = componentLists.get(inputMatch?.[2] ?? "");
  if (!inputMatch || !signatureMatch || !digestMatch || !components) return undefined;
  return {
    components,
    text: inputMatch[1] as string,
    parameters: {
      created: Number(inputMatch[3]),
      expires: Number(inputMatch[4]),
      nonce: inputMatch[5] as string,
      accessKey: inputMatch[6] as string,
    },
    signature: signatureMatch[1] as string,
    digest: digestMatch[1] as string,
  };
}
