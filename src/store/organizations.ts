import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";

export interface OrganizationRow {
  id: string;
  slug: string;
  name: string;
  sealed_data_key: Buffer;
  access_epoch: number;
  create_time: Date;
}

/** What everybody in the organization may know of it. */
export function summaryOf(row: Pick<OrganizationRow, "slug" | "name" | "create_time">) {
  return { slug: row.slug, name: row.name, createTime: row.create_time };
}

/** The same, of a row that it was joined to. */
export function organizationOf(row: {
  organization_slug: string;
  organization_name: string;
  organization_create_time: Date;
}) {
  return {
    slug: row.organization_slug,
    name: row.organization_name,
    createTime: row.organization_create_time,
  };
}

const columns = ["id", "slug", "name", "sealed_data_key", "access_epoch", "create_time"] as const;

export async function insertOrganization(
  tx: Transaction,
  row: Pick<OrganizationRow, "id" | "slug" | "name" | "sealed_data_key">,
): Promise<void> {
  await tx.insertInto("organizations").values(row).execute();
}

export async function findOrganization(
  db: Queryable,
  id: string,
): Promise<OrganizationRow | undefined> {
  return db.selectFrom("organizations").select(columns).where("id", "=", id).executeTakeFirst();
}

export async function findOrganizationBySlug(
  db: Queryable,
  slug: string,
): Promise<OrganizationRow | undefined> {
  return db.selectFrom("organizations").select(columns).where("slug", "=", slug).executeTakeFirst();
}

/** Whether anybody has set this installation up. */
export async function hasOrganizations(db: Queryable): Promise<boolean> {
  return (
    (await db.selectFrom("organizations").select("id").limit(1).executeTakeFirst()) !== undefined
  );
}

/**
 * Raises the organization's access epoch. The row stays locked until the transaction ends, so the
 * epochs of an organization are committed in their order.
 */
export async function raiseAccessEpoch(tx: Transaction, id: string): Promise<number> {
  const row = await tx
    .updateTable("organizations")
    .set({ access_epoch: sql`access_epoch + 1`, access_epoch_time: sql`clock_timestamp()` })
    .where("id", "=", id)
    .returning("access_epoch")
    .executeTakeFirstOrThrow();
  return row.access_epoch;
}

/** The organization's access epoch, which nobody raises until the transaction ends. */
export async function holdAccessEpoch(tx: Transaction, id: string): Promise<number> {
  const row = await tx
    .selectFrom("organizations")
    .select("access_epoch")
    .where("id", "=", id)
    .forShare()
    .executeTakeFirstOrThrow();
  return row.access_epoch;
}

/** The epochs of the organizations whose epoch was raised in the last `seconds`. */
export async function recentAccessEpochs(
  db: Queryable,
  seconds: number,
): Promise<{ id: string; access_epoch: number }[]> {
  return db
    .selectFrom("organizations")
    .select(["id", "access_epoch"])
    .where("access_epoch_time", ">", sql<Date>`now() - make_interval(secs => ${seconds})`)
    .execute();
}

/** Lets one transaction at a time decide what the first organization is. */
export async function lockOrganizations(tx: Transaction): Promise<void> {
  await sql`lock table organizations in share row exclusive mode`.execute(tx);
}
