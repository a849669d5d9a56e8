import { hash, timingSafeEqual } from "node:crypto";

const blockBytes = 64;
const digestBytes = 32;

/** HMAC-SHA256 (RFC 2104) with one key. */
export class HmacKey {
  /**
   * The key, padded to a block and mixed with the inner and the outer pad: hashed first in each pass.
   * As strings of bytes: of the same in Buffers, hundreds of thousands would take thrice the memory.
   */
  readonly #inner: string;
  readonly #outer: string;

  /** @param key of any length; it is not kept */
  constructor(key: Buffer) {
    const block = Buffer.alloc(blockBytes);
    (key.length > blockBytes ? hash("sha256", key, "buffer") : key).copy(block);
    this.#inner = mixed(block, 0x36);
    this.#outer = mixed(block, 0x5c);
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
    message.write(this.#inner, "latin1");
    message.write(text, blockBytes, "latin1");
    const inner = hash("sha256", message.subarray(0, size), "binary");
    outerMessage.write(this.#outer, "latin1");
    outerMessage.write(inner, blockBytes, "latin1");
    expected.write(hash("sha256", outerMessage, "binary"), "latin1");
    return given.write(mac, "base64") === digestBytes && timingSafeEqual(given, expected);
  }
}

function mixed(block: Buffer, pad: number): string {
  return Buffer.from(block.map((byte) => byte ^ pad)).toString("latin1");
}

// One call at a time uses these, from its first line to its last.
const scratch = Buffer.allocUnsafeSlow(4_096);
const outerMessage = Buffer.allocUnsafeSlow(blockBytes + digestBytes);
const expected = Buffer.allocUnsafeSlow(digestBytes);
const given = Buffer.allocUnsafeSlow(digestBytes);
