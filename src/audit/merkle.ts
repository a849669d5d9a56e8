import { foldedRoot } from "pdaas/audit";

// The trees are the clients' own, so that what verifies a proof is what made its hashes. Here is what only
// the log needs: which nodes a proof is made of.
export {
  CompactRange,
  emptyRoot,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from "pdaas/audit";

/** A node above 2^level leaves, of which the first is number index · 2^level. */
export interface CompleteNode {
  level: number;
  index: number;
}

/** A hash of a proof: that of one complete node, or the root above several, at the tree's right edge. */
export type ProofNode = readonly CompleteNode[];

/**
 * The nodes of an inclusion proof (RFC 6962, section 2.1.1), in its order.
 * @throws RangeError when the tree has no such leaf
 */
export function inclusionNodes(index: number, size: number): ProofNode[] {
  if (!(index >= 0 && index < size)) {
    throw new RangeError(`A tree of ${size} leaves has none with the index ${index}.`);
  }
  return path(index, 0, size);
}

/**
 * The nodes of a consistency proof (RFC 6962, section 2.1.2), in its order.
 * @throws RangeError when the old tree is larger than the new one
 */
export function consistencyNodes(oldSize: number, newSize: number): ProofNode[] {
  if (!(oldSize >= 0 && oldSize <= newSize)) {
    throw new RangeError(`A tree of ${oldSize} leaves is no prefix of one of ${newSize}.`);
  }
  return oldSize === 0 ? [] : difference(oldSize, 0, newSize, true);
}

/** The complete subtrees of a tree, from the largest to the smallest. */
export function subtreeNodes(size: number): ProofNode[] {
  return nodesOver(0, size).map((node) => [node]);
}

/** @param get reads the hash of a complete node */
export function proofFrom(
  nodes: readonly ProofNode[],
  get: (level: number, index: number) => Buffer,
): Buffer[] {
  return nodes.map((node) => foldedRoot(node.map(({ level, index }) => get(level, index))));
}

/** What leads from a leaf to the root above the leaves from `start` to before `end`. */
function path(index: number, start: number, end: number): ProofNode[] {
  if (end - start === 1) return [];
  const middle = start + leftSize(end - start);
  return index < middle
    ? [...path(index, start, middle), nodesOver(middle, end)]
    : [...path(index, middle, end), nodesOver(start, middle)];
}

/** @param isOldRoot whether the leaves up to `oldEnd` are all of the old tree, whose root is known */
function difference(oldEnd: number, start: number, end: number, isOldRoot: boolean): ProofNode[] {
  if (oldEnd === end) return isOldRoot ? [] : [nodesOver(start, end)];
  const middle = start + leftSize(end - start);
  return oldEnd <= middle
    ? [...difference(oldEnd, start, middle, isOldRoot), nodesOver(middle, end)]
    : [...difference(oldEnd, middle, end, false), nodesOver(start, middle)];
}

/** The complete nodes over the leaves from `start` to before `end`, from the largest to the smallest. */
function nodesOver(start: number, end: number): ProofNode {
  const nodes: CompleteNode[] = [];
  for (let at = start; at < end; ) {
    const width = largestPower(end - at);
    nodes.push({ level: Math.log2(width), index: at / width });
    at += width;
  }
  return nodes;
}

/** How many of two or more leaves are on the left: the largest power of two below their number. */
function leftSize(size: number): number {
  return largestPower(size - 1);
}

/** The largest power of two that is not above the number. */
function largestPower(number: number): number {
  let power = 1;
  while (power * 2 <= number) power *= 2;
  return power;
}
