import { type Expression, sql } from "kysely";
import type { Queryable, Transaction } from "./database.ts";
import type { ParsedStatement } from "./schema.ts";

export interface PolicyRow {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  text: string;
  statements: ParsedStatement[];
  version: number;
  create_time: Date;
  update_time: Date;
}

/** What a policy says: its text, and what that was taken apart to. */
export type PolicyText = Pick<PolicyRow, "text" | "statements">;

/** A policy that applies to somebody: the rest is null where it comes with the product. */
export type PolicyItem = [
  policyId: string,
  targetId: string,
  name: string | null,
  statements: ParsedStatement[] | null,
];

/** Selects the groups of a member in JSON; null where it is in none. */
export function groupsOf(organizationId: Expression<unknown>, memberId: Expression<unknown>) {
  return sql<string | null>`(
    select json_agg(group_id order by group_id)::text from group_members
    where group_members.organization_id = ${organizationId} and member_id = ${memberId})`;
}

/**
 * Selects the policies that apply to a member, as PolicyItem in JSON; null where there are none.
 * @param targets what policies apply to it by, beside its groups
 */
export function policiesOf(
  organizationId: Expression<unknown>,
  memberId: Expression<unknown>,
  targets: Expression<unknown>[],
) {
  return sql<string | null>`(
    select json_agg(json_build_array(policy_id, target_id, policies.name, policies.statements)
      order by policy_id, target_id)::text
    from policy_attachments left join policies
      on policies.id = policy_id and policies.organization_id = policy_attachments.organization_id
    where policy_attachments.organization_id = ${organizationId}
      and target_id = any (array[${sql.join([memberId, ...targets])}] || array(
        select group_id from group_members
        where group_members.organization_id = ${organizationId} and member_id = ${memberId})))`;
}

/** Attached policies in whose statements, as they are stored, one of some texts stands: see policiesOf. */
export async function findPoliciesSaying(
  db: Queryable,
  organizationId: string,
  texts: string[],
): Promise<string | null> {
  const { rows } = await sql<{ policies: string | null }>`
    select json_agg(json_build_array(policy_id, target_id, policies.name, policies.statements))::text
      as policies
    from policy_attachments join policies
      on policies.id = policy_id and policies.organization_id = policy_attachments.organization_id
    where policy_attachments.organization_id = ${organizationId}
      and exists (select from unnest(${texts}::text[]) as said
        where position(said in policies.statements::text) > 0)`.execute(db);
  return rows[0]?.policies ?? null;
}

/** @returns undefined when the name is taken */
export async function insertPolicy(
  tx: Transaction,
  row: Pick<PolicyRow, "id" | "organization_id" | "name" | "description"> & PolicyText,
): Promise<PolicyRow | undefined> {
  return tx
    .insertInto("policies")
    .values({ ...row, statements: JSON.stringify(row.statements) })
    .onConflict((conflict) => conflict.columns(["organization_id", "name"]).doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function findPolicy(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<PolicyRow | undefined> {
  return db
    .selectFrom("policies")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Like findPolicy, and holds the row until the transaction ends. */
export async function lockPolicy(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<PolicyRow | undefined> {
  return tx
    .selectFrom("policies")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listPolicies(
  db: Queryable,
  organizationId: string,
  page: { after: string; limit: number },
): Promise<PolicyRow[]> {
  return db
    .selectFrom("policies")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

export async function countPolicies(tx: Transaction, organizationId: string): Promise<number> {
  const row = await tx
    .selectFrom("policies")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("organization_id", "=", organizationId)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Whether another policy has the name. */
export async function isPolicyNameTaken(
  tx: Transaction,
  { organization_id, id }: PolicyRow,
  name: string,
): Promise<boolean> {
  const other = await tx
    .selectFrom("policies")
    .select("id")
    .where("organization_id", "=", organization_id)
    .where("name", "=", name)
    .where("id", "!=", id)
    .executeTakeFirst();
  return other !== undefined;
}

/** What can be changed of a policy. */
export type PolicyChanges = Partial<Pick<PolicyRow, "name" | "description"> & PolicyText>;

/** Changes a row that the transaction holds, and its version with it. */
export async function updatePolicy(
  tx: Transaction,
  row: PolicyRow,
  { statements, ...changes }: PolicyChanges,
): Promise<PolicyRow> {
  return tx
    .updateTable("policies")
    .set({
      ...changes,
      ...(statements && { statements: JSON.stringify(statements) }),
      version: sql`version + 1`,
      update_time: sql`now()`,
    })
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function deletePolicy(tx: Transaction, row: PolicyRow): Promise<void> {
  await tx
    .deleteFrom("policies")
    .where("organization_id", "=", row.organization_id)
    .where("id", "=", row.id)
    .execute();
}

/** What an organization's applications declare, and how often it was changed. */
export async function findApplicationSchema(
  db: Queryable,
  organizationId: string,
): Promise<{ application_text: string; version: number }> {
  const row = await db
    .selectFrom("policy_schemas")
    .select(["application_text", "version"])
    .where("organization_id", "=", organizationId)
    .executeTakeFirst();
  return row ?? { application_text: "", version: 0 };
}

export async function setApplicationSchema(
  tx: Transaction,
  organizationId: string,
  text: string,
): Promise<{ application_text: string; version: number }> {
  return tx
    .insertInto("policy_schemas")
    .values({ organization_id: organizationId, application_text: text, version: 1 })
    .onConflict((conflict) =>
      conflict
        .column("organization_id")
        .doUpdateSet({ application_text: text, version: sql<number>`policy_schemas.version + 1` }),
    )
    .returning(["application_text", "version"])
    .executeTakeFirstOrThrow();
}
