import { sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";
import { removeTraces } from "./policy-attachments.ts";

export interface GroupRow {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  version: number;
  create_time: Date;
  update_time: Date;
}

export interface GroupMemberRow {
  group_id: string;
  member_id: string;
  create_time: Date;
  member_name: string;
}

/** @returns undefined when the name is taken */
export async function insertGroup(
  tx: Transaction,
  row: Pick<GroupRow, "id" | "organization_id" | "name" | "description">,
): Promise<GroupRow | undefined> {
  return tx
    .insertInto("groups")
    .values(row)
    .onConflict((conflict) => conflict.columns(["organization_id", "name"]).doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function findGroup(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<GroupRow | undefined> {
  return db
    .selectFrom("groups")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Like findGroup, and holds the row until the transaction ends. */
export async function lockGroup(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<GroupRow | undefined> {
  return tx
    .selectFrom("groups")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listGroups(
  db: Queryable,
  organizationId: string,
  filter: { memberId: string },
  page: { after: string; limit: number },
): Promise<GroupRow[]> {
  let query = db
    .selectFrom("groups")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit);
  if (filter.memberId !== "") {
    query = query.where("id", "in", (eb) =>
      eb
        .selectFrom("group_members")
        .select("group_id")
        .where("organization_id", "=", organizationId)
        .where("member_id", "=", filter.memberId),
    );
  }
  return query.execute();
}

/** Changes a row that the transaction holds, and its version with it. */
export async function updateGroup(
  tx: Transaction,
  row: GroupRow,
  changes: Partial<Pick<GroupRow, "name" | "description">>,
): Promise<GroupRow> {
  return tx
    .updateTable("groups")
    .set({ ...changes, version: sql`version + 1`, update_time: sql`now()` })
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Whether another group has the name. */
export async function isGroupNameTaken(
  tx: Transaction,
  { organization_id, id }: GroupRow,
  name: string,
): Promise<boolean> {
  const other = await tx
    .selectFrom("groups")
    .select("id")
    .where("organization_id", "=", organization_id)
    .where("name", "=", name)
    .where("id", "!=", id)
    .executeTakeFirst();
  return other !== undefined;
}

/** Deletes a group for good, with its memberships and attachments. */
export async function deleteGroup(tx: Transaction, row: GroupRow): Promise<void> {
  await removeTraces(tx, row.organization_id, [row.id]);
  await tx
    .deleteFrom("groups")
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .execute();
}

export async function insertGroupMember(
  tx: Transaction,
  group: GroupRow,
  memberId: string,
): Promise<void> {
  await tx
    .insertInto("group_members")
    .values({ group_id: group.id, member_id: memberId, organization_id: group.organization_id })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function deleteGroupMember(
  tx: Transaction,
  group: GroupRow,
  memberId: string,
): Promise<void> {
  await tx
    .deleteFrom("group_members")
    .where("group_id", "=", group.id)
    .where("member_id", "=", memberId)
    .execute();
}

export async function countGroupMembers(tx: Transaction, group: GroupRow): Promise<number> {
  const row = await tx
    .selectFrom("group_members")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("group_id", "=", group.id)
    .executeTakeFirstOrThrow();
  return row.count;
}

export async function countGroupsOf(tx: Transaction, memberId: string): Promise<number> {
  const row = await tx
    .selectFrom("group_members")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("member_id", "=", memberId)
    .executeTakeFirstOrThrow();
  return row.count;
}

export async function findGroupMember(
  db: Queryable,
  group: GroupRow,
  memberId: string,
): Promise<GroupMemberRow | undefined> {
  return groupMembers(db, group).where("member_id", "=", memberId).executeTakeFirst();
}

/** In order of identifier, those after `after`. */
export async function listGroupMembers(
  db: Queryable,
  group: GroupRow,
  page: { after: string; limit: number },
): Promise<GroupMemberRow[]> {
  return groupMembers(db, group)
    .where("member_id", ">", page.after)
    .orderBy("member_id")
    .limit(page.limit)
    .execute();
}

function groupMembers(db: Queryable, group: GroupRow) {
  return db
    .selectFrom("group_members")
    .leftJoin("users", "users.id", "member_id")
    .leftJoin("service_accounts", "service_accounts.id", "member_id")
    .select([
      "group_id",
      "member_id",
      "group_members.create_time",
      sql<string>`coalesce(users.name, service_accounts.name, '')`.as("member_name"),
    ])
    .where("group_members.organization_id", "=", group.organization_id)
    .where("group_id", "=", group.id);
}
