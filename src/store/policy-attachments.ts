import type { Queryable, Transaction } from "./database.ts";

export interface PolicyAttachmentRow {
  sequence: number;
  organization_id: string;
  policy_id: string;
  target_id: string;
  create_time: Date;
}

interface Attachment {
  organization_id: string;
  policy_id: string;
  target_id: string;
}

/** Attaches a policy, if it is not yet. */
export async function attachPolicy(
  tx: Transaction,
  attachment: Attachment,
): Promise<PolicyAttachmentRow> {
  const added = await tx
    .insertInto("policy_attachments")
    .values(attachment)
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  return added ?? (await ofAttachment(tx, attachment).selectAll().executeTakeFirstOrThrow());
}

function ofAttachment(tx: Transaction, { organization_id, policy_id, target_id }: Attachment) {
  return tx
    .selectFrom("policy_attachments")
    .where("organization_id", "=", organization_id)
    .where("policy_id", "=", policy_id)
    .where("target_id", "=", target_id);
}

/** @returns whether it was attached */
export async function detachPolicy(
  tx: Transaction,
  attachment: Attachment,
): Promise<PolicyAttachmentRow | undefined> {
  return tx
    .deleteFrom("policy_attachments")
    .where("organization_id", "=", attachment.organization_id)
    .where("policy_id", "=", attachment.policy_id)
    .where("target_id", "=", attachment.target_id)
    .returningAll()
    .executeTakeFirst();
}

/** In the order of attachment, those after the sequence number `after`. Empty filters do not filter. */
export async function listPolicyAttachments(
  db: Queryable,
  organizationId: string,
  filter: { policyId: string; targetId: string },
  page: { after: number; limit: number },
): Promise<PolicyAttachmentRow[]> {
  let query = db
    .selectFrom("policy_attachments")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sequence", ">", page.after)
    .orderBy("sequence")
    .limit(page.limit);
  if (filter.policyId !== "") query = query.where("policy_id", "=", filter.policyId);
  if (filter.targetId !== "") query = query.where("target_id", "=", filter.targetId);
  return query.execute();
}

export async function countAttachmentsTo(
  tx: Transaction,
  organizationId: string,
  targetId: string,
): Promise<number> {
  const row = await tx
    .selectFrom("policy_attachments")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("organization_id", "=", organizationId)
    .where("target_id", "=", targetId)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Removes attachments to what is deleted for good, and its memberships of groups. */
export async function removeTraces(
  tx: Transaction,
  organizationId: string,
  ids: string[],
): Promise<void> {
  await tx
    .deleteFrom("policy_attachments")
    .where("organization_id", "=", organizationId)
    .where("target_id", "in", ids)
    .execute();
  await tx
    .deleteFrom("group_members")
    .where("organization_id", "=", organizationId)
    .where("member_id", "in", ids)
    .execute();
}
