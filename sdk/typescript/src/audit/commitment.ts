import { createHash } from "node:crypto";

/** Of another length, bytes of the salt could pass for the value's. */
export const saltLength = 16;

/**
 * What an entry has in place of personal data: SHA-256 of a random salt and the value. With the salt it
 * proves the value; when the salt is gone, it says nothing of it.
 * @throws RangeError when the salt has another length than 16 bytes
 */
export function commitment(salt: Uint8Array, value: string): Buffer {
  if (salt.length !== saltLength) throw new RangeError(`A salt has ${saltLength} bytes.`);
  return createHash("sha256").update(salt).update(value).digest();
}
