import { policySlice, readPolicies } from "../auth/policy-slices.ts";
import { serviceAccountPrincipal, userPrincipal } from "../auth/principals.ts";
import { notFound } from "../errors.ts";
import { universeOf } from "../iam/actions.ts";
import { organizationSchema } from "../iam/application-schema.ts";
import { ensureCovers, type Grant } from "../iam/boundary.ts";
import { directPolicy } from "../iam/managed-policies.ts";
import type { Principal } from "../iam/principal.ts";
import { forbids, type PolicySource, type Statement, statementsOf } from "../iam/statement.ts";
import type { Queryable, Transaction } from "../store/database.ts";
import { findPoliciesOf, findServiceAccountMember, findUserMember } from "../store/members.ts";
import { findApplicationSchema } from "../store/policies.ts";
import type { Call } from "./call.ts";

/**
 * Holds that a caller hands out nothing that it does not have itself.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export async function ensureMayGrant(
  tx: Transaction,
  call: Call,
  grant: Pick<Grant, "statements"> & Partial<Grant>,
): Promise<void> {
  const { application_text: text } = await findApplicationSchema(tx, call.principal.organizationId);
  ensureCovers(
    call.principal,
    { limit: null, holderId: undefined, binding: [], ...grant },
    universeOf(organizationSchema(text).application),
  );
}

/** The same for permissions that are given directly, to what policies of `targetIds` apply to. */
export async function ensureMayGive(
  tx: Transaction,
  call: Call,
  permissions: readonly string[],
  targetIds: string[],
): Promise<void> {
  if (permissions.length === 0) return;
  const statements = statementsOf(directPolicy(permissions));
  const binding = await statementsOfTargets(tx, call, targetIds);
  await ensureMayGrant(tx, call, { statements, binding });
}

/** The same for all that a principal may do: to give it power back, or to act as it. */
export async function ensureMayEmpower(
  tx: Transaction,
  call: Call,
  memberId: string,
  limit: readonly string[] | null = null,
): Promise<void> {
  const { policies } = await findPrincipal(tx, call.principal.organizationId, memberId);
  await ensureMayGrant(tx, call, {
    statements: policies.statements,
    limit: limit && new Set(limit),
    holderId: memberId,
    binding: policies.statements,
  });
}

/** What comes of it when a statement that forbids something is taken away. */
export function freedBy(statements: readonly Statement[]): Statement[] {
  return statements
    .filter(forbids)
    .map((statement) => ({ ...statement, json: { ...statement.json, effect: "permit" } }));
}

/** The statements of the policies that are attached to what is no principal itself. */
export async function statementsOfTargets(
  db: Queryable,
  call: Call,
  targetIds: string[],
): Promise<readonly Statement[]> {
  const policies = await findPoliciesOf(db, call.principal.organizationId, targetIds);
  return policySlice([], policies).statements;
}

/** The same as policies. */
export async function policiesOfTargets(
  db: Queryable,
  organizationId: string,
  targetIds: string[],
): Promise<PolicySource[]> {
  return readPolicies(await findPoliciesOf(db, organizationId, targetIds));
}

/**
 * A user or a service account of an organization, as a caller.
 * @throws ServiceError NOT_FOUND
 */
export async function findPrincipal(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<Principal> {
  if (id.startsWith("usr_")) {
    const user = await findUserMember(db, organizationId, id);
    if (user !== undefined) return userPrincipal(user, "");
    throw notFound("user", id);
  }
  const account = await findServiceAccountMember(db, organizationId, id);
  if (account !== undefined) return serviceAccountPrincipal(account);
  throw notFound("service account", id);
}
