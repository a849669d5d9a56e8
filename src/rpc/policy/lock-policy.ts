import { Code, notFound, ServiceError } from "../../errors.ts";
import { findManagedPolicy } from "../../iam/managed-policies.ts";
import type { Transaction } from "../../store/database.ts";
import { lockPolicy as lockRow, type PolicyRow } from "../../store/policies.ts";
import type { Call } from "../call.ts";
import { ensureEtag } from "../etag.ts";

/**
 * The organization's own policy that a change is about, held until the change is committed.
 * @throws ServiceError NOT_FOUND, POLICY_MANAGED, or ABORTED when the caller's etag is not the current one
 */
export async function lockPolicy(
  tx: Transaction,
  call: Call,
  request: { policyId: string; etag?: string },
): Promise<PolicyRow> {
  const { policyId } = request;
  if (findManagedPolicy(policyId) !== undefined) throw managed();
  const row = await lockRow(tx, call.principal.organizationId, policyId);
  if (row === undefined) throw notFound("policy", policyId);
  ensureEtag(request.etag ?? "", row, "policy");
  return row;
}

function managed(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "POLICY_MANAGED",
    "The policy comes with the product and cannot be changed. Create one of your own with its text, and attach that.",
  );
}
