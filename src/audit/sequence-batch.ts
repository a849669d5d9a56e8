import {
  deletePendingEntries,
  findSequenced,
  holdAuditLog,
  notifyFollowers,
  numberEntries,
  type PendingEntry,
  updateAuditLog,
} from "../store/audit-sequencing.ts";
import {
  extendTiles,
  findOrganizationTrees,
  instanceTree,
  saveOrganizationTrees,
} from "../store/audit-trees.ts";
import type { Database, Transaction } from "../store/database.ts";
import { formatCheckpoint, organizationLeaf } from "./checkpoint.ts";
import { CompactRange, leafHash } from "./merkle.ts";
import { type NoteSigner, signNote } from "./note.ts";
import { NewTiles, rangeOf } from "./tiles.ts";

/** Another sequencer has taken over. */
export class FencedError extends Error {
  constructor() {
    super("another sequencer has taken over");
  }
}

/**
 * Gives what waits its numbers, makes it leaves of its organizations' trees, makes their heads leaves of
 * the instance's tree, and signs that: all of it in one transaction.
 * @param epoch the sequencer's own
 * @returns the new checkpoint; undefined when all of it had its number already
 * @throws FencedError when the epoch is not the newest any more; nothing is changed then
 */
export async function sequenceBatch(
  db: Database,
  epoch: number,
  signer: NoteSigner,
  pending: PendingEntry[],
): Promise<string | undefined> {
  return db.transaction().execute(async (tx) => {
    const log = await holdAuditLog(tx, epoch);
    if (log === undefined) throw new FencedError();
    const fresh = await withoutRepeated(tx, pending);
    if (fresh.length === 0) return undefined;
    const tiles = new NewTiles();
    const instance = rangeOf(log);
    await appendEntries(tx, fresh, instance, tiles);
    await extendTiles(tx, tiles.all);
    const { size } = instance;
    const text = formatCheckpoint({ origin: signer.name, size, root: instance.root() });
    const checkpoint = signNote(text, signer);
    const next = { size, hashes: Buffer.concat(instance.hashes), checkpoint };
    if (!(await updateAuditLog(tx, epoch, next))) throw new FencedError();
    return checkpoint;
  });
}

async function withoutRepeated(tx: Transaction, pending: PendingEntry[]): Promise<PendingEntry[]> {
  const known = await findSequenced(tx, pending);
  const repeated = pending.filter(({ id }) => known.has(id));
  await deletePendingEntries(
    tx,
    repeated.map(({ position }) => position),
  );
  return pending.filter(({ id }) => !known.has(id));
}

async function appendEntries(
  tx: Transaction,
  pending: readonly PendingEntry[],
  instance: CompactRange,
  tiles: NewTiles,
): Promise<void> {
  const byOrganization = Map.groupBy(pending, (entry) => entry.organization_id);
  const stored = await findOrganizationTrees(tx, [...byOrganization.keys()]);
  const trees = new Map(stored.map((tree) => [tree.organization_id, rangeOf(tree)]));
  const numbered: { position: number; sequence: number }[] = [];
  const grown = [...byOrganization].map(([organizationId, entries]) => {
    const range = trees.get(organizationId) ?? CompactRange.of(0, []);
    for (const { position, entry } of entries) {
      append(range, organizationId, leafHash(entry), tiles);
      numbered.push({ position, sequence: range.size });
    }
    const head = { organizationId, size: range.size, root: range.root() };
    append(instance, instanceTree, leafHash(organizationLeaf(head)), tiles);
    const hashes = Buffer.concat(range.hashes);
    const leafIndex = instance.size - 1;
    return { organization_id: organizationId, size: range.size, hashes, leaf_index: leafIndex };
  });
  if ((await numberEntries(tx, numbered)) !== numbered.length) {
    throw new Error("an entry was gone before it had its number");
  }
  await saveOrganizationTrees(tx, grown);
  await notifyFollowers(tx, [...byOrganization.keys()]);
}

function append(range: CompactRange, treeId: string, leaf: Buffer, tiles: NewTiles): void {
  range.append(leaf, (level, index, hash) => tiles.add(treeId, level, index, hash));
}
