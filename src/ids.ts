import { randomBytes, randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { fromUUID, typeidUnboxed } from "typeid-js";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export type IdPrefix =
  | "org"
  | "usr"
  | "svc"
  | "grp"
  | "pol"
  | "key"
  | "alw"
  | "ses"
  | "evt"
  | "snk"
  | "dlv";

/** A new TypeID, such as `svc_01h455vb4pex5vsknk084sn02q`: UUIDv7 underneath, so ids sort by time. */
export function newId(prefix: IdPrefix): string {
  return typeidUnboxed(prefix);
}

/** What TypeIDs of UUIDv7 (RFC 9562 §5.7) that were made before a time sort before. */
export function leastIdAt(prefix: IdPrefix, time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return fromUUID(`${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`, prefix);
}

/** `length` characters of base62, each drawn without bias (log2(62) = 5.95 bits). */
export function randomBase62(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: what lies above would favour the first digits.
      if (byte < 248 && text.length < length) text += base62[byte % 62];
    }
  }
  return text;
}

/** The public half of an API key: `sa_<slug>_<account>_<16 random characters, 95 bits>`. */
export function newAccessKey(organizationSlug: string, accountId: string): string {
  const plain = (text: string) => text.replaceAll(/[^A-Za-z0-9]/g, "");
  return `sa_${plain(organizationSlug)}_${plain(accountId)}_${randomBase62(16)}`;
}

/** The secret half: `sk_`, 43 characters (256 random bits), and a CRC-32 of all before it in 6. */
export function newSecretKey(): string {
  const text = `sk_${randomBase62(43)}`;
  return text + checksum(text);
}

/** Whether `text` has the form and the checksum of a secret key. No key need exist for it. */
export function isSecretKey(text: string): boolean {
  return /^sk_[0-9A-Za-z]{49}$/.test(text) && checksum(text.slice(0, 46)) === text.slice(46);
}

/** A text that may quote what somebody has sent, without the secret keys that may have been among it. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/sk_[0-9A-Za-z]{43,}/g, "sk_[redacted]");
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < 6; i++) {
    digits = base62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** The name of one call, in its answer, the logs and the audit log. */
export function newRequestId(): string {
  return `req_${randomUUID().replaceAll("-", "")}`;
}
