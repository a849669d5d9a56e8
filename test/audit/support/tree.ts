import {
  CompactRange,
  consistencyNodes,
  inclusionNodes,
  leafHash,
  proofFrom,
} from "../../../src/audit/merkle.ts";

/** A tree with all that was ever said of it. */
export interface GrownTree {
  leaves: Buffer[];
  /** The root of each size. */
  roots: Buffer[];
  get(level: number, index: number): Buffer;
}

/** A tree whose leaves are their indexes in decimal, as in the vectors. */
export function grownTree(size: number): GrownTree {
  return treeOf(Array.from({ length: size }, (_, index) => Buffer.from(String(index))));
}

/** @param data the leaves' bytes */
export function treeOf(data: readonly Uint8Array[]): GrownTree {
  const nodes = new Map<string, Buffer>();
  const range = CompactRange.of(0, []);
  const leaves = data.map(leafHash);
  const roots = [range.root()];
  for (const leaf of leaves) {
    range.append(leaf, (level, index, hash) => nodes.set(`${level}/${index}`, hash));
    roots.push(range.root());
  }
  const get = (level: number, index: number) => found(nodes.get(`${level}/${index}`));
  return { leaves, roots, get };
}

export const rootOf = (tree: GrownTree, size: number) => found(tree.roots[size]);

export const inclusionProof = (tree: GrownTree, index: number, size: number) =>
  proofFrom(inclusionNodes(index, size), tree.get);

export const consistencyProof = (tree: GrownTree, oldSize: number, newSize: number) =>
  proofFrom(consistencyNodes(oldSize, newSize), tree.get);

function found(hash: Buffer | undefined): Buffer {
  if (hash === undefined) throw new Error("The tree has no such node.");
  return hash;
}
