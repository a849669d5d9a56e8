import type { PolicySlice } from "./policy-slice.ts";
import type { Principal } from "./principal.ts";
import { judgedMethods } from "./schema.ts";
import { forbids, isUnconditional, namedActions, type Statement } from "./statement.ts";

/** Whether a key's limit leaves an action in, of which `names` are its own and that of its permission. */
export function isWithin(limit: ReadonlySet<string> | null, ...names: string[]): boolean {
  return limit === null || limit.has("*") || names.some((name) => limit.has(name));
}

/** The RPCs that take each permission. */
const methodsByPermission = Map.groupBy(judgedMethods, ({ access }) => access.permission);

/**
 * The permissions that a principal has whatever a call is about and however it is made, sorted; `*`
 * stands for everything.
 */
export function unconditionalPermissions(
  principal: Pick<Principal, "policies" | "permissionLimit">,
): string[] {
  const { policies, permissionLimit: limit } = principal;
  if (permitsEverything(policies) && isWithin(limit)) return ["*"];
  return [...methodsByPermission]
    .filter(([permission]) => isWithin(limit, permission))
    .filter(([permission, methods]) =>
      methods.every(({ action }) => permitsAlways(policies.planOf(action, permission).statements)),
    )
    .map(([permission]) => permission)
    .sort();
}

/** Whether nothing is left out, also of what there may be tomorrow. */
function permitsEverything({ statements }: PolicySlice): boolean {
  const all = statements.some(
    (statement) => namedActions(statement) === undefined && always(statement),
  );
  return all && !statements.some(forbids);
}

function permitsAlways(statements: readonly Statement[]): boolean {
  return statements.some(always) && !statements.some(forbids);
}

/** Whether a statement permits with no ifs and buts. */
function always(statement: Statement): boolean {
  const isForAll = statement.json.principal.op === "All";
  return isForAll && isUnconditional(statement) && !forbids(statement);
}
