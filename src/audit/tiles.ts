import { findTiles, type Tile } from "../store/audit-trees.ts";
import type { Queryable } from "../store/database.ts";
import { CompactRange, type CompleteNode, type ProofNode, proofFrom } from "./merkle.ts";

// Trees are stored as tiles: up to 16 nodes side by side, of every fourth level. The levels between are
// computed from those below. So a leaf costs about a fifteenth of a row, and a proof reads few rows.

const tileHeight = 4;
const tileWidth = 2 ** tileHeight;
const hashBytes = 32;

/** Gathers the nodes that trees get, in the tiles that they belong to. */
export class NewTiles {
  readonly #tiles = new Map<string, Omit<Tile, "hashes"> & { nodes: Buffer[] }>();

  /** Is to be told of the nodes of a level from left to right. */
  add(treeId: string, level: number, index: number, hash: Buffer): void {
    if (level % tileHeight !== 0) return;
    const place = { tree_id: treeId, level, index: Math.floor(index / tileWidth) };
    const key = keyOf(place);
    const tile = this.#tiles.get(key);
    if (tile === undefined) this.#tiles.set(key, { ...place, nodes: [hash] });
    else tile.nodes.push(hash);
  }

  get all(): Tile[] {
    return [...this.#tiles.values()].map(({ nodes, ...place }) => ({
      ...place,
      hashes: Buffer.concat(nodes),
    }));
  }
}

/**
 * Reads what a proof is made of, and makes it.
 * @param nodes as inclusionNodes and consistencyNodes give them, of a tree that has them
 */
export async function readProof(
  db: Queryable,
  treeId: string,
  nodes: readonly ProofNode[],
): Promise<Buffer[]> {
  const places = nodes.flat().map((node) => tileOf(treeId, node));
  const wanted = [...new Map(places.map((place) => [keyOf(place), place])).values()];
  const tiles = new Map((await findTiles(db, wanted)).map((tile) => [keyOf(tile), tile.hashes]));
  return proofFrom(nodes, (level, index) => {
    const hashes = tiles.get(keyOf(tileOf(treeId, { level, index })));
    return nodeIn(hashes ?? Buffer.alloc(0), { level, index });
  });
}

/** The tile that has a node, or has the nodes that it is computed from. */
function tileOf(treeId: string, { level, index }: CompleteNode): Omit<Tile, "hashes"> {
  const above = level % tileHeight;
  return {
    tree_id: treeId,
    level: level - above,
    index: Math.floor((index * 2 ** above) / tileWidth),
  };
}

function nodeIn(hashes: Buffer, { level, index }: CompleteNode): Buffer {
  const width = 2 ** (level % tileHeight);
  const first = (index * width) % tileWidth;
  if (hashes.length < (first + width) * hashBytes) throw new Error("a node of a tree is missing");
  const range = CompactRange.of(0, []);
  for (let i = first; i < first + width; i++) range.append(hashAt(hashes, i));
  return range.root();
}

const hashAt = (hashes: Buffer, i: number) => hashes.subarray(i * hashBytes, (i + 1) * hashBytes);

const keyOf = ({ tree_id, level, index }: Omit<Tile, "hashes">) => `${tree_id} ${level} ${index}`;

/** The roots of a tree's complete subtrees, as they are stored. */
export function rangeOf({ size, hashes }: { size: number; hashes: Buffer }): CompactRange {
  const count = hashes.length / hashBytes;
  return CompactRange.of(
    size,
    Array.from({ length: count }, (_, i) => hashAt(hashes, i)),
  );
}
