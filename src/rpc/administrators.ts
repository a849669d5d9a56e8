import { userPrincipal } from "../auth/principals.ts";
import { Code, ServiceError } from "../errors.ts";
import { decideAfresh, type LookUp, type Question } from "../iam/authorize.ts";
import { isAdministrator } from "../iam/boundary.ts";
import { CedarFault } from "../iam/cedar.ts";
import { administratorPolicyId } from "../iam/managed-policies.ts";
import type { Principal } from "../iam/principal.ts";
import { judgedMethods } from "../iam/schema.ts";
import { forbids } from "../iam/statement.ts";
import type { Transaction } from "../store/database.ts";
import { findUserMember, listActiveUserMembers } from "../store/members.ts";
import type { Call } from "./call.ts";
import { lookUpIn } from "./entities.ts";

const pageSize = 100;

/** What it takes to undo whatever went wrong with policies. */
const recovery = judgedMethods.filter(({ access }) =>
  ["Policies.read", "Policies.write"].includes(access.permission),
);

/**
 * Holds that after a change somebody can still administer the organization: a user who may do everything,
 * and whom nothing forbids to mend policies, from where the caller is now.
 * @throws ServiceError LAST_ADMINISTRATOR
 */
export async function ensureAdministratorLeft(tx: Transaction, call: Call): Promise<void> {
  const { organizationId, id, sessionId } = call.principal;
  const self = sessionId === "" ? undefined : await findUserMember(tx, organizationId, id);
  const isActive = self !== undefined && self.disable_time === null;
  if (isActive && (await canRecover(tx, call, userPrincipal(self, sessionId)))) return;
  for (let after = ""; ; ) {
    const page = await listActiveUserMembers(tx, organizationId, { after, limit: pageSize });
    for (const user of page) {
      if (await canRecover(tx, call, userPrincipal(user, ""))) return;
    }
    if (page.length < pageSize) throw nobodyLeft();
    after = page.at(-1)?.id ?? "";
  }
}

async function canRecover(tx: Transaction, call: Call, principal: Principal): Promise<boolean> {
  if (!isAdministrator(principal)) return false;
  const { organizationId } = principal;
  const { address, requestId, time } = call;
  const circumstances = { address, requestId, time, authentication: "session" } as const;
  const lookUp = lookUpIn(tx, organizationId);
  // What forbids something is what may have to be taken back.
  const forbidding = principal.policies.statements.filter(forbids).map(({ policyId }) => policyId);
  for (const { action, access, judgedBy } of recovery) {
    const resources =
      judgedBy === undefined
        ? [{ type: "Organization", id: organizationId }]
        : [...new Set([administratorPolicyId, ...forbidding])].map((id) => {
            return { type: judgedBy.type, id };
          });
    const { permission } = access;
    for (const resource of resources) {
      const question = { principal, action, permission, resource, circumstances };
      if (!(await isPermitted(question, lookUp))) return false;
    }
  }
  return true;
}

/** Policies that break Cedar permit nothing. */
async function isPermitted(question: Question, lookUp: LookUp): Promise<boolean> {
  try {
    return (await decideAfresh(question, lookUp)).permitted;
  } catch (error) {
    if (error instanceof CedarFault) return false;
    throw error;
  }
}

function nobodyLeft(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "LAST_ADMINISTRATOR",
    "After this change, no user could administer the organization any more. Make somebody else an administrator first, or leave Policies.read and Policies.write out of what is forbidden.",
  );
}
