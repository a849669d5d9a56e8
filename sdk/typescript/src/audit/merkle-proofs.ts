import { emptyRoot, isSize, nodeHash } from "./merkle.ts";

/**
 * Whether the leaf is in the tree, by RFC 9162, section 2.1.3.2.
 * @param leaf its hash
 */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![leaf, root, ...proof].every(isHash)) return false;
  const path = new Path(index, size - 1);
  let hash = leaf;
  for (const sibling of proof) {
    if (path.isAtRoot) return false;
    hash = path.isRight ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    path.ascend();
  }
  return path.isAtRoot && equal(hash, root);
}

/** Whether the old tree is a prefix of the new one, by RFC 9162, section 2.1.4.2. */
export function verifyConsistency(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false;
  if (![oldRoot, newRoot, ...proof].every(isHash)) return false;
  if (oldSize === newSize) return proof.length === 0 && equal(oldRoot, newRoot);
  // Nothing needs no proof, and that is all that may be said of it.
  if (oldSize === 0) return proof.length === 0 && equal(oldRoot, emptyRoot);
  return joins(new Path(oldSize - 1, newSize - 1), oldRoot, newRoot, proof);
}

function joins(
  path: Path,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  path.leaveRight();
  // A complete old tree is itself a node of the new one, which the proof leaves out.
  const [first, ...siblings] = path.isLeftmost ? [oldRoot, ...proof] : proof;
  if (first === undefined || proof.length === 0) return false;
  let [inOld, inNew] = [first, first];
  for (const sibling of siblings) {
    if (path.isAtRoot) return false;
    if (path.isRight) inOld = nodeHash(sibling, inOld);
    inNew = path.isRight ? nodeHash(sibling, inNew) : nodeHash(inNew, sibling);
    path.ascend();
  }
  return path.isAtRoot && equal(inOld, oldRoot) && equal(inNew, newRoot);
}

/** The way from a node to the root: `fn` and `sn` of the RFC. */
class Path {
  #index: number;
  #last: number;

  /** @param last the index of the last node on the same level */
  constructor(index: number, last: number) {
    this.#index = index;
    this.#last = last;
  }

  get isAtRoot(): boolean {
    return this.#last === 0;
  }

  get isLeftmost(): boolean {
    return this.#index === 0;
  }

  /** Whether the next hash of the proof belongs to the left. */
  get isRight(): boolean {
    return this.#index % 2 === 1 || this.#index === this.#last;
  }

  /** Goes up to where the next hash of the proof is needed. */
  ascend(): void {
    // At the right edge there are levels on which the node has no sibling, and is the one above as well.
    if (this.isRight) while (this.#index % 2 === 0 && this.#index > 0) this.#up();
    this.#up();
  }

  /** Goes up for as long as the node is a right one. */
  leaveRight(): void {
    while (this.#index % 2 === 1) this.#up();
  }

  #up(): void {
    this.#index = Math.floor(this.#index / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}

// Of another length, one hash could pass for two.
const isHash = (hash: Uint8Array) => hash.length === 32;

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
