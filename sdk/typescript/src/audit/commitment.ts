import { createHmac } from "node:crypto";

/**
 * What an entry has in place of personal data: HMAC-SHA256 of the value under a random salt of 32 bytes.
 * With the salt it proves the value; when the salt is gone, it says nothing of it.
 */
export function commitment(salt: Uint8Array, value: string): Buffer {
  return createHmac("sha256", salt).update(value).digest();
}
