import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { Code, ServiceError } from "../../errors.ts";
import { deletePolicy as deleteRow } from "../../store/policies.ts";
import { listPolicyAttachments } from "../../store/policy-attachments.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordPolicy } from "../record.ts";
import { lockPolicy } from "./lock-policy.ts";

export const deletePolicy: Handler<typeof PolicyService.method.deletePolicy> = async (
  app,
  call,
  request,
) => {
  await change(app, call, async (tx) => {
    const policy = await lockPolicy(tx, call, request);
    const filter = { policyId: policy.id, targetId: "" };
    const first = { after: 0, limit: 1 };
    const [attachment] = await listPolicyAttachments(tx, policy.organization_id, filter, first);
    if (attachment !== undefined) throw attached(attachment.target_id);
    await deleteRow(tx, policy);
    recordPolicy(call, policy, undefined);
  });
  return {};
};

function attached(targetId: string): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "POLICY_ATTACHED",
    `The policy is attached to ${targetId}. Detach it everywhere with DetachPolicy first: ListPolicyAttachments tells where.`,
  );
}
