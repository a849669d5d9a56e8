import { sql } from "kysely";
import type { TreeState } from "./audit-sequencing.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

/** The tree of the heads of all organizations' trees. */
export const instanceTree = "instance";

export interface OrganizationTree extends TreeState {
  organization_id: string;
  /** Where its head is in the instance's tree. */
  leaf_index: number;
}

/** Hashes side by side on one level of a tree. */
export interface Tile {
  tree_id: string;
  level: number;
  index: number;
  hashes: Buffer;
}

export async function findOrganizationTrees(
  db: Queryable,
  organizationIds: string[],
): Promise<OrganizationTree[]> {
  return db
    .selectFrom("audit_trees")
    .selectAll()
    .where("organization_id", "=", sql<string>`any(${organizationIds}::text[])`)
    .execute();
}

export async function saveOrganizationTrees(
  tx: Transaction,
  trees: readonly OrganizationTree[],
): Promise<void> {
  await sql`
    insert into audit_trees (organization_id, size, hashes, leaf_index)
    select * from unnest(
      ${trees.map((tree) => tree.organization_id)}::text[],
      ${trees.map((tree) => tree.size)}::bigint[],
      ${trees.map((tree) => tree.hashes)}::bytea[],
      ${trees.map((tree) => tree.leaf_index)}::bigint[])
    on conflict (organization_id) do update
    set size = excluded.size, hashes = excluded.hashes, leaf_index = excluded.leaf_index`.execute(
    tx,
  );
}

/** Adds hashes to tiles, behind those that they have. */
export async function extendTiles(tx: Transaction, tiles: readonly Tile[]): Promise<void> {
  await sql`
    insert into audit_tiles (tree_id, level, index, hashes)
    select * from unnest(
      ${tiles.map((tile) => tile.tree_id)}::text[],
      ${tiles.map((tile) => tile.level)}::smallint[],
      ${tiles.map((tile) => tile.index)}::bigint[],
      ${tiles.map((tile) => tile.hashes)}::bytea[])
    on conflict (tree_id, level, index) do update
    set hashes = audit_tiles.hashes || excluded.hashes`.execute(tx);
}

export async function findTiles(
  db: Queryable,
  wanted: readonly Omit<Tile, "hashes">[],
): Promise<Tile[]> {
  const { rows } = await sql<Tile>`
    select tile.* from unnest(
      ${wanted.map((tile) => tile.tree_id)}::text[],
      ${wanted.map((tile) => tile.level)}::smallint[],
      ${wanted.map((tile) => tile.index)}::bigint[]) as wanted (tree_id, level, index)
    join audit_tiles as tile using (tree_id, level, index)`.execute(db);
  return rows;
}

/** A tree of an organization, in the checkpoint that has its head. */
export interface Heads {
  checkpoint: string;
  /** Of the instance's tree. */
  instanceSize: number;
  organization: OrganizationTree | undefined;
}

/** Both trees as they were at one time. */
export async function readHeads(db: Database, organizationId: string): Promise<Heads> {
  const row = await db
    .selectFrom("audit_log as log")
    .leftJoin("audit_trees as tree", (join) => join.on("tree.organization_id", "=", organizationId))
    .select(["log.checkpoint", "log.size as instance_size"])
    .select(["tree.size", "tree.hashes", "tree.leaf_index"])
    .executeTakeFirstOrThrow();
  const { checkpoint, instance_size: instanceSize, size, hashes, leaf_index } = row;
  if (size === null || hashes === null || leaf_index === null) {
    return { checkpoint, instanceSize, organization: undefined };
  }
  return {
    checkpoint,
    instanceSize,
    organization: { organization_id: organizationId, size, hashes, leaf_index },
  };
}
