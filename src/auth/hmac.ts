import { hash, timingSafeEqual } from "node:crypto";

const blockBytes = 64;
const digestBytes = 32;

/** HMAC-SHA256 (RFC 2104) with one key. */
export class HmacKey {
  /** The key, padded to a block and mixed with the inner and the outer pad: hashed first in each pass. */
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  /** @param key of any length; it is not kept */
  constructor(key: Buffer) {
    const block = Buffer.alloc(blockBytes);
    (key.length > blockBytes ? hash("sha256", key, "buffer") : key).copy(block);
    this.#inner = block.map((byte) => byte ^ 0x36) as Buffer;
    this.#outer = block.map((byte) => byte ^ 0x5c) as Buffer;
    block.fill(0);
  }

  /**
   * Whether `mac` (base64) is the one of `text` (ASCII), in a time that does not depend on the answer.
   *
   * Two one-shot hashes: an Hmac object of node:crypto is a stream with a native half, and costs more
   * to make and to collect than the HMAC itself. Digests come as strings for the same reason.
   */
  holds(text: string, mac: string): boolean {
    const size = blockBytes + text.length;
    const message = size <= scratch.length ? scratch : Buffer.allocUnsafe(size);
    this.#inner.copy(message);
    message.write(text, blockBytes, "latin1");
    const inner = hash("sha256", message.subarray(0, size), "binary");
    this.#outer.copy(outerMessage);
    outerMessage.write(inner, blockBytes, "latin1");
    expected.write(hash("sha256", outerMessage, "binary"), "latin1");
    return given.write(mac, "base64") === digestBytes && timingSafeEqual(given, expected);
  }
}

// One call at a time uses these, from its first line to its last.
const scratch = Buffer.allocUnsafeSlow(4_096);
const outerMessage = Buffer.allocUnsafeSlow(blockBytes + digestBytes);
const expected = Buffer.allocUnsafeSlow(digestBytes);
const given = Buffer.allocUnsafeSlow(digestBytes);
