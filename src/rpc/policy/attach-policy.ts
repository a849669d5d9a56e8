import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { limitReached } from "../../errors.ts";
import { forbids } from "../../iam/statement.ts";
import type { Transaction } from "../../store/database.ts";
import {
  attachPolicy as attachRow,
  countAttachmentsTo,
  listPolicyAttachments,
} from "../../store/policy-attachments.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureMayGrant, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordPolicyAttachment } from "../record.ts";
import { toPolicyAttachment } from "../resources.ts";
import { findStatements } from "./find-policy.ts";
import { targetPath } from "./target.ts";

const maxPoliciesOfTarget = 50;

export const attachPolicy: Handler<typeof PolicyService.method.attachPolicy> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { policyId, targetId } = request;
  const attachment = { organization_id: organizationId, policy_id: policyId, target_id: targetId };
  const row = await change(app, call, async (tx) => {
    const statements = await findStatements(tx, organizationId, policyId);
    const path = await targetPath(tx, organizationId, targetId);
    // What the policy forbids comes with what it permits.
    const binding = [...(await statementsOfTargets(tx, call, path)), ...statements];
    await ensureMayGrant(tx, call, { statements, binding });
    if (!statements.every(forbids)) await ensureMayEmpowerOthers(tx, call, targetId);
    const filter = { policyId, targetId };
    const [known] = await listPolicyAttachments(tx, organizationId, filter, { after: 0, limit: 1 });
    if (known === undefined) await ensureRoom(tx, organizationId, targetId);
    const attached = await attachRow(tx, attachment);
    await ensureAdministratorLeft(tx, call);
    return recordPolicyAttachment(call, known, attached);
  });
  return { policyAttachment: toPolicyAttachment(row) };
};

/** @throws ServiceError LIMIT_REACHED */
async function ensureRoom(
  tx: Transaction,
  organizationId: string,
  targetId: string,
): Promise<void> {
  if ((await countAttachmentsTo(tx, organizationId, targetId)) < maxPoliciesOfTarget) return;
  throw limitReached(
    `${maxPoliciesOfTarget} policies are attached to ${targetId}, which is the most. Put several into one, or attach them to a group.`,
  );
}
