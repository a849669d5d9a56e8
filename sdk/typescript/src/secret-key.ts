const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const form = /^sk_[0-9A-Za-z]{49}$/;
const checkedLength = 46;

/**
 * Whether a text has the form and the checksum of a secret key: what was mistyped or cut off has not.
 * Nothing is asked of the service, so no key need exist for it.
 */
export function isSecretKey(text: string): boolean {
  return form.test(text) && checksum(text.slice(0, checkedLength)) === text.slice(checkedLength);
}

/** CRC-32 in 6 digits of base62. */
function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < 6; i++) {
    digits = base62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** CRC-32 (ISO-HDLC, as of zlib) of ASCII text. Browsers have none, and a table is not worth it here. */
function crc32(text: string): number {
  let crc = ~0;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
