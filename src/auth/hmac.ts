import { hash, timingSafeEqual } from "node:crypto";

const blockBytes = 64;
const digestBytes = 32;
const innerPad = 0x36363636;
const outerPad = 0x5c5c5c5c;

/** HMAC-SHA256 (RFC 2104) with one key. */
export class HmacKey {
  /** As a string of bytes: hundreds of thousands of Buffers would take thrice the memory. */
  readonly #key: string;

  /** @param key of any length; it is not kept */
  constructor(key: Buffer) {
    const short = key.length > blockBytes ? hash("sha256", key, "buffer") : key;
    this.#key = short.toString("latin1");
  }

  /**
   * Whether `mac` (base64) is the one of `text` (ASCII), in a time that does not depend on the answer.
   *
   * Two one-shot hashes: an Hmac object of node:crypto is a stream with a native half, and costs more
   * to make and to collect than the HMAC itself. Digests come as strings for the same reason.
   */
  holds(text: string, mac: string): boolean {
    padBlocks(this.#key);
    const size = blockBytes + text.length;
    let message = innerMessage;
    if (size > message.length) {
      message = Buffer.allocUnsafe(size);
      innerMessage.copy(message, 0, 0, blockBytes);
    }
    message.write(text, blockBytes, "latin1");
    const inner = hash("sha256", message.subarray(0, size), "binary");
    outerMessage.write(inner, blockBytes, "latin1");
    expected.write(hash("sha256", outerMessage, "binary"), "latin1");
    return given.write(mac, "base64") === digestBytes && timingSafeEqual(given, expected);
  }
}

// One call at a time uses these, from its first line to its last.
const block = Buffer.allocUnsafeSlow(blockBytes);
const innerMessage = Buffer.allocUnsafeSlow(4_096);
const outerMessage = Buffer.allocUnsafeSlow(blockBytes + digestBytes);
const expected = Buffer.allocUnsafeSlow(digestBytes);
const given = Buffer.allocUnsafeSlow(digestBytes);
const words = wordsOf(block);
const innerWords = wordsOf(innerMessage);
const outerWords = wordsOf(outerMessage);

/** The first block of a message, to be read and written by words. */
function wordsOf({ buffer }: Buffer): Uint32Array {
  return new Uint32Array(buffer, 0, blockBytes / Uint32Array.BYTES_PER_ELEMENT);
}

/** Begins both messages with the key, filled up to a block and mixed with the pads. */
function padBlocks(key: string): void {
  block.fill(0);
  block.write(key, "latin1");
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    innerWords[i] = word ^ innerPad;
    outerWords[i] = word ^ outerPad;
  }
}
