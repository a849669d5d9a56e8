import { type AuthorizeOptions, authorize, decide } from "../iam/authorize.ts";
import type { Decision } from "../iam/policy-slice.ts";
import type { EntityUid } from "../iam/statement.ts";
import type { Queryable } from "../store/database.ts";
import { typeOf } from "../store/entities.ts";
import type { Call } from "./call.ts";
import { lookUpIn } from "./entities.ts";

/**
 * Whether a call's principal may make it, to what it is about.
 * @returns a promise only where something had to be looked up
 * @throws ServiceError PERMISSION_DENIED
 */
export function authorizeCall(
  call: Call,
  db: Queryable,
  decider: AuthorizeOptions["decider"] = decide,
): Promise<void> | undefined {
  const { principal, method, judgedId } = call;
  const { permission } = method.access;
  if (permission === "") return undefined;
  const question = {
    principal,
    action: method.action,
    permission,
    resource: resourceOf(call, judgedId),
    circumstances: call,
  };
  const decided = (decision: Decision) => {
    call.decision = decision;
  };
  return authorize(question, lookUpIn(db, principal.organizationId), { decider, decided });
}

function resourceOf({ method, principal }: Call, id: string): EntityUid {
  const { judgedBy } = method;
  if (judgedBy === undefined || (id === "" && judgedBy.isOptional)) {
    return { type: "Organization", id: principal.organizationId };
  }
  return { type: judgedBy.type === "Allowlist" ? typeOf(id) : judgedBy.type, id };
}
