/** A text of the audit log breaks its format. */
export class AuditFormatError extends Error {
  override readonly name = "AuditFormatError";
}

/**
 * The bytes of a text in standard base64, in its one canonical form.
 * @throws AuditFormatError
 */
export function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  // Also catches characters outside the alphabet, missing padding and stray bits.
  if (bytes.toString("base64") !== text) throw new AuditFormatError("base64 is not canonical");
  return bytes;
}

/**
 * A SHA-256 hash in base64.
 * @throws AuditFormatError
 */
export function hashFromBase64(text: string): Buffer {
  const hash = fromBase64(text);
  if (hash.length !== 32) throw new AuditFormatError(`a hash has ${hash.length} bytes, not 32`);
  return hash;
}

/**
 * A number of leaves, or of one of them, in decimal without leading zeros.
 * @throws AuditFormatError
 */
export function fromDecimal(text: string): number {
  const number = Number(text);
  // Beyond 2^53 two texts are one number.
  if (!/^(0|[1-9]\d*)$/.test(text) || !Number.isSafeInteger(number)) {
    throw new AuditFormatError(`${JSON.stringify(text.slice(0, 32))} is not a number of leaves`);
  }
  return number;
}
