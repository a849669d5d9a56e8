import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";

export interface OrganizationRow {
  id: string;
  slug: string;
  name: string;
  sealed_data_key: Buffer;
  access_epoch: number;
  create_time: Date;
  max_api_key_lifetime_seconds: number | null;
  max_api_keys: number;
  /** null: for ever. */
  audit_retention_days: number | null;
}

/** What can be changed of an organization. */
export type OrganizationChanges = Partial<
  Pick<
    OrganizationRow,
    "name" | "max_api_key_lifetime_seconds" | "max_api_keys" | "audit_retention_days"
  >
>;

/** What everybody in the organization may know of it. */
export function summaryOf(row: Omit<OrganizationRow, "id" | "sealed_data_key" | "access_epoch">) {
  return {
    slug: row.slug,
    name: row.name,
    createTime: row.create_time,
    maxApiKeyLifetimeSeconds: row.max_api_key_lifetime_seconds,
    maxApiKeys: row.max_api_keys,
    auditRetentionDays: row.audit_retention_days,
  };
}

/** The same, for a query that joins the organization. */
export const organizationColumns = [
  "organizations.slug as organization_slug",
  "organizations.name as organization_name",
  "organizations.create_time as organization_create_time",
  "organizations.max_api_key_lifetime_seconds",
  "organizations.max_api_keys",
  "organizations.audit_retention_days",
] as const;

/** What `organizationColumns` selects. */
export interface JoinedOrganization {
  organization_slug: string;
  organization_name: string;
  organization_create_time: Date;
  max_api_key_lifetime_seconds: number | null;
  max_api_keys: number;
  audit_retention_days: number | null;
}

export function organizationOf(row: JoinedOrganization) {
  return summaryOf({
    ...row,
    slug: row.organization_slug,
    name: row.organization_name,
    create_time: row.organization_create_time,
  });
}

const columns = [
  "id",
  "slug",
  "name",
  "sealed_data_key",
  "access_epoch",
  "create_time",
  "max_api_key_lifetime_seconds",
  "max_api_keys",
  "audit_retention_days",
] as const;

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

/** Changes a row that the transaction holds by its access epoch. */
export async function updateOrganization(
  tx: Transaction,
  id: string,
  changes: OrganizationChanges,
): Promise<OrganizationRow> {
  return tx
    .updateTable("organizations")
    .set(changes)
    .where("id", "=", id)
    .returning(columns)
    .executeTakeFirstOrThrow();
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

/**
 * The organization's access epoch, which nobody raises until the transaction ends. Held alone, as by those
 * who raise it: they could wait for ever for many who share it.
 */
export async function holdAccessEpoch(tx: Transaction, id: string): Promise<number> {
  const row = await tx
    .selectFrom("organizations")
    .select("access_epoch")
    .where("id", "=", id)
    .forNoKeyUpdate()
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
