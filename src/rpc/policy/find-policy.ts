import { notFound } from "../../errors.ts";
import { findManagedPolicy, managedStatements } from "../../iam/managed-policies.ts";
import { type Statement, statementsIn } from "../../iam/statement.ts";
import type { Queryable } from "../../store/database.ts";
import { findPolicy } from "../../store/policies.ts";

/**
 * The statements of a policy, the organization's own or one that comes with the product.
 * @throws ServiceError NOT_FOUND
 */
export async function findStatements(
  db: Queryable,
  organizationId: string,
  policyId: string,
): Promise<Statement[]> {
  const origin = { policyId, targetId: "" };
  const managed = findManagedPolicy(policyId);
  if (managed !== undefined) {
    return managedStatements(managed, { ...origin, policyName: managed.name });
  }
  const policy = await findPolicy(db, organizationId, policyId);
  if (policy === undefined) throw notFound("policy", policyId);
  return statementsIn(policy.statements, { ...origin, policyName: policy.name });
}
