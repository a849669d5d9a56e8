import type { MessageInitShape } from "@bufbuild/protobuf";
import type { EffectivePermissionSchema } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { actionsOf, groupsOfAction, type Universe } from "../../iam/actions.ts";
import { holdsFor } from "../../iam/boundary.ts";
import { isWithin } from "../../iam/permissions.ts";
import type { Principal } from "../../iam/principal.ts";
import { forbids, isUnconditional, type Statement } from "../../iam/statement.ts";

/** Every action that a principal is not always refused. */
export function effectivePermissions(
  principal: Principal,
  universe: Universe,
): MessageInitShape<typeof EffectivePermissionSchema>[] {
  const applying = principal.policies.statements.filter(({ json }) => holdsFor(json, principal));
  return universe.all.flatMap((action) => {
    if (!isWithin(principal.permissionLimit, ...groupsOfAction(action, universe))) return [];
    const concerning = applying.filter((statement) => concerns(statement, action, universe));
    const permits = concerning.filter((statement) => !forbids(statement));
    const forbidding = concerning.filter(forbids);
    if (permits.length === 0 || forbidding.some(isUnconditional)) return [];
    const policyIds = concerning.map(({ policyId }) => policyId).filter((id) => id !== "");
    return [
      {
        action,
        permission: universe.permissionOf(action) ?? "",
        conditional: forbidding.length > 0 || !permits.some(isUnconditional),
        policyIds: [...new Set(policyIds)].sort(),
      },
    ];
  });
}

function concerns(statement: Statement, action: string, universe: Universe): boolean {
  return actionsOf(statement, universe)?.includes(action) ?? true;
}
