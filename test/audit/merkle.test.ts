import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CompactRange,
  consistencyNodes,
  emptyRoot,
  inclusionNodes,
  leafHash,
  nodeHash,
  proofFrom,
  verifyConsistency,
  verifyInclusion,
} from "../../src/audit/merkle.ts";
import { consistencyProof, grownTree, inclusionProof, rootOf } from "./support/tree.ts";

interface TreeVector {
  size: number;
  root: string;
  inclusionDigest: string;
  consistencyDigest: string;
  inclusion?: string[][];
  consistency?: string[][];
}

const file = new URL("../vectors/merkle.json", import.meta.url);
const vectors: TreeVector[] = JSON.parse(readFileSync(file, "utf8")).trees;
const tree = grownTree(300);
/** There are 90,000 proofs, and slow machines. */
const patient = 180_000;
const range = (length: number) => Array.from({ length }, (_, i) => i);
const base64 = (proofs: Buffer[][]) =>
  proofs.map((proof) => proof.map((hash) => hash.toString("base64")));

/** A digest of proofs, as the vectors have it. */
function digest(proofs: Buffer[][]): string {
  const hash = createHash("sha256");
  for (const proof of proofs) hash.update(Buffer.concat([Buffer.of(proof.length), ...proof]));
  return hash.digest("base64");
}

test("the tree without leaves is RFC 6962's", () => {
  const hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  expect(emptyRoot.toString("hex")).toBe(hash);
  expect(CompactRange.of(0, []).root()).toEqual(emptyRoot);
  expect(inclusionNodesOf(0, 0)).toThrow(RangeError);
});

test("a leaf can pass for no node", () => {
  const [left, right] = [leafHash(Buffer.of(1)), leafHash(Buffer.of(2))];
  expect(leafHash(Buffer.concat([left, right]))).not.toEqual(nodeHash(left, right));
});

describe("Go's trees of 1 to 300 leaves", () => {
  test("have the same roots", () => {
    expect(vectors.map(({ size }) => size)).toEqual(range(300).map((i) => i + 1));
    const roots = vectors.map(({ size }) => rootOf(tree, size).toString("base64"));
    expect(roots).toEqual(vectors.map(({ root }) => root));
  });

  test("have the same inclusion proofs", { timeout: patient }, () => {
    for (const { size, inclusion, inclusionDigest } of vectors) {
      const proofs = range(size).map((index) => inclusionProof(tree, index, size));
      if (inclusion !== undefined) expect(base64(proofs)).toEqual(inclusion);
      expect(digest(proofs), `size ${size}`).toBe(inclusionDigest);
    }
  });

  test("have the same consistency proofs", { timeout: patient }, () => {
    for (const { size, consistency, consistencyDigest } of vectors) {
      const proofs = range(size).map((index) => consistencyProof(tree, index + 1, size));
      if (consistency !== undefined) expect(base64(proofs)).toEqual(consistency);
      expect(digest(proofs), `size ${size}`).toBe(consistencyDigest);
    }
  });
});

const strange = leafHash(Buffer.of());

test("every inclusion proof holds", { timeout: patient }, () => {
  const wrong = pairs(1, 300).filter(([place, size]) => {
    const leaf = tree.leaves[place - 1] as Buffer;
    const proof = inclusionProof(tree, place - 1, size);
    return !verifyInclusion(leaf, place - 1, size, proof, rootOf(tree, size));
  });
  expect(wrong).toEqual([]);
});

test("no inclusion proof holds for another leaf, place or tree", () => {
  const wrong = pairs(1, 70).filter(([place, size]) => {
    const index = place - 1;
    const [leaf, root] = [tree.leaves[index] as Buffer, rootOf(tree, size)];
    const proof = inclusionProof(tree, index, size);
    const elsewhere = size > 1 && verifyInclusion(leaf, place % size, size, proof, root);
    const another = verifyInclusion(strange, index, size, proof, root);
    const inOther = verifyInclusion(leaf, index, size, proof, rootOf(tree, size - 1));
    return elsewhere || another || inOther;
  });
  expect(wrong).toEqual([]);
});

test("every consistency proof holds", { timeout: patient }, () => {
  const wrong = pairs(0, 300).filter(([old, size]) => {
    const proof = consistencyProof(tree, old, size);
    return !verifyConsistency(old, rootOf(tree, old), size, rootOf(tree, size), proof);
  });
  expect(wrong).toEqual([]);
});

test("no consistency proof holds for another tree", () => {
  const wrong = pairs(0, 70).filter(([old, size]) => {
    const [oldRoot, root] = [rootOf(tree, old), rootOf(tree, size)];
    const proof = consistencyProof(tree, old, size);
    const ofOther = verifyConsistency(old, strange, size, root, proof);
    const inOther = verifyConsistency(old, oldRoot, size, strange, proof);
    // Of an empty tree there is nothing to hold on to.
    return ofOther || inOther !== (old === 0 && size > 0);
  });
  expect(wrong).toEqual([]);
});

/** All pairs of numbers in which the first is not the larger one. */
function pairs(from: number, to: number): [number, number][] {
  const numbers = range(to + 1).slice(from);
  return numbers.flatMap((second) =>
    range(second + 1)
      .slice(from)
      .map((first): [number, number] => [first, second]),
  );
}

const sizes = fc.integer({ min: 1, max: 300 });

test("a proof that is changed in any way proves nothing", () => {
  const changes = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(255) }),
    fc.record({ kind: fc.constantFrom("cut" as const, "double" as const), at: fc.nat() }),
    fc.record({ kind: fc.constant("add" as const), at: fc.nat() }),
  );
  const property = fc.property(sizes, fc.nat(), changes, (size, n, change) => {
    const index = n % size;
    const proofs = [inclusionProof(tree, index, size), consistencyProof(tree, index + 1, size)];
    const [inclusion = [], consistency = []] = proofs.map((proof) => changed(proof, change));
    const root = rootOf(tree, size);
    const leaf = tree.leaves[index] as Buffer;
    const isSame = (i: number, proof: Buffer[]) =>
      Buffer.concat(proof).equals(Buffer.concat(proofs[i] ?? []));
    expect(verifyInclusion(leaf, index, size, inclusion, root)).toBe(isSame(0, inclusion));
    const oldRoot = rootOf(tree, index + 1);
    const holds = verifyConsistency(index + 1, oldRoot, size, root, consistency);
    expect(holds).toBe(isSame(1, consistency));
  });
  fc.assert(property, { numRuns: 2_000 });
});

function changed(
  proof: Buffer[],
  change: { kind: "flip" | "cut" | "double" | "add"; at: number; bit?: number },
): Buffer[] {
  const hashes: Buffer[] = proof.map((hash) => Buffer.from(hash));
  const at = change.at % Math.max(1, hashes.length);
  const hash = hashes[at];
  if (change.kind === "add") hashes.splice(at, 0, leafHash(Buffer.of(at)));
  if (hash === undefined) return hashes;
  const bit = change.bit ?? 0;
  if (change.kind === "flip") hash[bit >> 3] = (hash[bit >> 3] as number) ^ (1 << (bit & 7));
  if (change.kind === "cut") hashes.splice(at, 1);
  if (change.kind === "double") hashes.splice(at, 0, hash);
  return hashes;
}

test("a proof that ends below the root proves nothing", () => {
  const [root, leaf] = [rootOf(tree, 1), tree.leaves[0] as Buffer];
  expect(verifyInclusion(leaf, 0, 1, [], root)).toBe(true);
  for (const size of [2, 3, 300]) {
    expect(verifyInclusion(leaf, 0, size, [], root)).toBe(false);
    expect(verifyConsistency(1, root, size, root, [])).toBe(false);
  }
  const growth = consistencyProof(tree, 1, 2);
  expect(verifyConsistency(1, root, 2, rootOf(tree, 2), growth)).toBe(true);
  expect(verifyConsistency(1, root, 3, rootOf(tree, 2), growth)).toBe(false);
});

test("hashes that are cut up otherwise prove nothing", () => {
  const [first, second] = tree.leaves.slice(0, 2) as [Buffer, Buffer];
  const [longer, shorter] = [Buffer.concat([first, second.subarray(0, 1)]), second.subarray(1)];
  expect(nodeHash(longer, shorter)).toEqual(rootOf(tree, 2));
  expect(verifyInclusion(longer, 0, 2, [shorter], rootOf(tree, 2))).toBe(false);
  expect(verifyConsistency(1, longer, 2, rootOf(tree, 2), [shorter])).toBe(false);
});

test.each([-1, 0.5, Number.NaN, 2 ** 53])("%d is the size of no tree", (size) => {
  expect(() => CompactRange.of(size, [])).toThrow(RangeError);
  expect(verifyInclusion(emptyRoot, 0, size, [], emptyRoot)).toBe(false);
  expect(verifyInclusion(emptyRoot, size, 1, [], emptyRoot)).toBe(false);
  expect(verifyConsistency(size, emptyRoot, 2 ** 52, emptyRoot, [])).toBe(false);
  expect(verifyConsistency(0, emptyRoot, size, emptyRoot, [])).toBe(false);
});

test("a tree goes on from its complete subtrees", () => {
  const property = fc.property(sizes, fc.nat(), (size, n) => {
    const first = CompactRange.of(0, []);
    for (const leaf of tree.leaves.slice(0, n % size)) first.append(leaf);
    const { size: before, hashes } = first;
    const rest = CompactRange.of(before, hashes);
    for (const leaf of tree.leaves.slice(before, size)) rest.append(leaf);
    expect([rest.size, rest.root()]).toEqual([size, rootOf(tree, size)]);
    expect([first.size, first.hashes]).toEqual([before, hashes]);
    expect(() => CompactRange.of(size, [...rest.hashes, emptyRoot])).toThrow(RangeError);
  });
  fc.assert(property);
});

test("trees beyond 32 bits have proofs", () => {
  const size = 2 ** 40 + 3;
  const hash = (level: number, index: number) => leafHash(Buffer.from(`${level}/${index}`));
  // The right edge, and what is above it, made of hashes that are made up.
  const subtrees = [hash(40, 0), hash(1, 2 ** 39), hash(0, 2 ** 40 + 2)];
  const grown = CompactRange.of(size, subtrees);
  const proof = proofFrom(inclusionNodes(size - 1, size), hash);
  expect(proof).toEqual([hash(1, 2 ** 39), hash(40, 0)]);
  expect(verifyInclusion(hash(0, size - 1), size - 1, size, proof, grown.root())).toBe(true);
  const old = CompactRange.of(2 ** 40, [hash(40, 0)]);
  const growth = proofFrom(consistencyNodes(2 ** 40, size), hash);
  expect(verifyConsistency(2 ** 40, old.root(), size, grown.root(), growth)).toBe(true);
  const made: [number, number][] = [];
  grown.append(hash(0, size), (level, index) => made.push([level, index]));
  expect(made).toEqual([
    [0, size],
    [1, 2 ** 39 + 1],
    [2, 2 ** 38],
  ]);
});

test("there is no proof of what is not there", () => {
  expect(inclusionNodesOf(5, 5)).toThrow(RangeError);
  expect(inclusionNodesOf(-1, 5)).toThrow(RangeError);
  expect(() => consistencyNodes(6, 5)).toThrow(RangeError);
});

function inclusionNodesOf(index: number, size: number) {
  return () => inclusionNodes(index, size);
}
