import { notFound } from "../../errors.ts";
import { findManagedPolicy } from "../../iam/managed-policies.ts";
import { type Statement, statementsOf } from "../../iam/statement.ts";
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
  const { name, text } = await findPolicyText(db, organizationId, policyId);
  return statementsOf({ policyId, policyName: name, targetId: "", text });
}

/** @throws ServiceError NOT_FOUND */
export async function findPolicyText(
  db: Queryable,
  organizationId: string,
  policyId: string,
): Promise<{ name: string; text: string }> {
  const policy = findManagedPolicy(policyId) ?? (await findPolicy(db, organizationId, policyId));
  if (policy === undefined) throw notFound("policy", policyId);
  return policy;
}
