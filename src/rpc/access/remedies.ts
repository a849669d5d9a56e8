import { type AccessCheck, AccessObstacle } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { actionUid } from "../../iam/actions.ts";
import { forbids, namedActions, type Statement, sameUid } from "../../iam/statement.ts";
import type { CheckedAccess } from "./check.ts";

/** What would have to change for the opposite answer, in words. */
export function remediesOf(check: AccessCheck, checked: CheckedAccess): string[] {
  const { decision, obstacle } = checked;
  const broken = decision.errors.map(
    ({ statement, message }) =>
      `Mend ${nameOf(statement)}, which could not be evaluated and did not count: ${message}.`,
  );
  const first = obstacleRemedies[obstacle]?.(check, checked) ?? [];
  if (decision.permitted) {
    const isFree = obstacle === AccessObstacle.UNSPECIFIED;
    return [...first, ...(isFree ? decision.statements.map(withdraw) : []), ...broken];
  }
  if (decision.statements.length > 0) {
    return [...first, ...decision.statements.map(withdraw), ...broken];
  }
  return [...first, ...nearMisses(check, checked), suggestion(check, checked), ...broken];
}

const obstacleRemedies: Partial<
  Record<AccessObstacle, (check: AccessCheck, checked: CheckedAccess) => string[]>
> = {
  [AccessObstacle.USER_NOT_ACTIVE]: ({ principalId }) => [
    `Enable the user ${principalId}, or have it accept an invitation.`,
  ],
  [AccessObstacle.SERVICE_ACCOUNT_NOT_ACTIVE]: ({ principalId }) => [
    `Enable or undelete the service account ${principalId}.`,
  ],
  [AccessObstacle.API_KEY_NOT_ACTIVE]: ({ apiKeyId }) => [
    `Enable the key ${apiKeyId}, or call with another one that is active.`,
  ],
  [AccessObstacle.PERMISSION_LIMIT]: ({ apiKeyId, action }, { permission }) => [
    `Add ${permission || action} to the permission limit of ${apiKeyId}.`,
  ],
};

function withdraw(statement: Statement): string {
  const verb = forbids(statement) ? "forbids" : "permits";
  if (statement.policyId === "") {
    return "Remove the permission that was given directly to the principal.";
  }
  return `Detach ${statement.policyId} from ${statement.targetId}, or change ${nameOf(statement)}, which ${verb} it.`;
}

/** Statements that permit the action, but not here. */
function nearMisses({ action }: AccessCheck, { principal, permission }: CheckedAccess): string[] {
  const uid = actionUid(action);
  const group = { type: "Action", id: permission };
  const names = (statement: Statement) =>
    namedActions(statement)?.some(
      (named) => (uid !== undefined && sameUid(named, uid)) || sameUid(named, group),
    ) ?? true;
  return principal.policies.statements
    .filter((statement) => !forbids(statement) && names(statement))
    .map((s) => `Call as ${nameOf(s)} asks for: it permits the action, but does not hold here.`);
}

function suggestion(check: AccessCheck, { resource, principal }: CheckedAccess): string {
  const uid = actionUid(check.action);
  const action = `${uid?.type}::${JSON.stringify(uid?.id)}`;
  const target = `${resource.type}::${JSON.stringify(resource.id)}`;
  return `Attach to ${principal.id}, or to a group that it is in, a policy such as: permit (principal, action == ${action}, resource == ${target});`;
}

function nameOf(statement: Statement | undefined): string {
  if (statement === undefined) return "a statement";
  const { policyId, policyName, line } = statement;
  return policyId === ""
    ? "a permission that was given directly"
    : `the statement in line ${line} of ${policyId} (${policyName})`;
}
