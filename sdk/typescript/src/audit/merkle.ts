import { createHash } from "node:crypto";

// Merkle trees over SHA-256 as in RFC 6962, section 2.1. Sizes and indexes are numbers beyond 32 bits, so
// nothing here uses bitwise operators.

const leafPrefix = Buffer.of(0);
const nodePrefix = Buffer.of(1);

/** The root of the tree without leaves. */
export const emptyRoot: Buffer = createHash("sha256").digest();

/** The hash of a leaf, given its bytes. */
export function leafHash(data: Uint8Array): Buffer {
  return createHash("sha256").update(leafPrefix).update(data).digest();
}

/** The hash of the node above two others. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update(nodePrefix).update(left).update(right).digest();
}

/** The root above the roots of complete subtrees, which go from the largest to the smallest. */
export function foldedRoot(hashes: readonly Buffer[]): Buffer {
  const [last = emptyRoot, ...rest] = hashes.toReversed();
  return rest.reduce((right, left) => nodeHash(left, right), last);
}

/** All that is needed of a tree to append to it: the roots of its complete subtrees. */
export class CompactRange {
  #size: number;
  readonly #hashes: Buffer[];

  private constructor(size: number, hashes: readonly Buffer[]) {
    this.#size = size;
    this.#hashes = [...hashes];
  }

  /** @throws RangeError when a tree of this size has another number of complete subtrees */
  static of(size: number, hashes: readonly Buffer[]): CompactRange {
    if (!isSize(size) || hashes.length !== completeSubtrees(size)) {
      throw new RangeError(`A tree of ${size} leaves is not ${hashes.length} complete subtrees.`);
    }
    return new CompactRange(size, hashes);
  }

  get size(): number {
    return this.#size;
  }

  /** The roots of the complete subtrees, from the largest to the smallest. */
  get hashes(): readonly Buffer[] {
    return [...this.#hashes];
  }

  /**
   * Appends a leaf.
   * @param leaf its hash
   * @param onNode is told of every complete node that this makes; level 0 is the leaf's hash
   */
  append(leaf: Uint8Array, onNode?: (level: number, index: number, hash: Buffer) => void): void {
    let hash: Buffer = Buffer.from(leaf);
    let [level, index] = [0, this.#size];
    onNode?.(level, index, hash);
    // A node with an odd index completes the one above it.
    for (; index % 2 === 1; onNode?.(level, index, hash)) {
      hash = nodeHash(this.#hashes.pop() as Buffer, hash);
      level++;
      index = (index - 1) / 2;
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  root(): Buffer {
    return foldedRoot(this.#hashes);
  }
}

/** Whether it can be the size of a tree. */
export function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

/** There is one for each bit that is set. */
function completeSubtrees(size: number): number {
  return size.toString(2).replaceAll("0", "").length;
}
