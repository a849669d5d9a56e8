import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AccessCheck,
  type AccessDecisionSchema,
  AccessObstacle,
} from "../../../gen/pdaas/v1/access_service_pb.ts";
import { parseAddress } from "../../auth/ip-address.ts";
import { actionName, actionUid } from "../../iam/actions.ts";
import { schemaName } from "../../iam/application-schema.ts";
import { decide, distinct, entitiesOfPrincipal, uidOfPrincipal } from "../../iam/authorize.ts";
import { isWithin } from "../../iam/permissions.ts";
import { type Decision, entityOf, UnreadableRequest } from "../../iam/policy-slice.ts";
import { judgedMethods, resourceTypesOf } from "../../iam/schema.ts";
import type { EntityUid } from "../../iam/statement.ts";
import type { Queryable } from "../../store/database.ts";
import { lookUpIn } from "../entities.ts";
import { findSchema } from "../policy/policy-schema.ts";
import { applicationEntities, cedarRecord, invalid, toUid } from "./application-entities.ts";
import { findSubject, type Subject } from "./subject.ts";

/** Who asks, and since when. */
export interface Asking {
  organizationId: string;
  requestId: string;
  /** The time that conditions see, in Unix milliseconds. */
  time: number;
}

/** All that is known of the answer to a check. */
export interface CheckedAccess extends Subject {
  decision: Decision;
  /** The permission that the action takes; empty for an application's action. */
  permission: string;
  resource: EntityUid;
}

/**
 * Answers a check as a call would be answered that is made now.
 * @throws ServiceError NOT_FOUND for whom it is about, FIELD_INVALID
 */
export async function checkAccess(
  db: Queryable,
  asking: Asking,
  check: AccessCheck,
): Promise<CheckedAccess> {
  const action = actionUid(check.action);
  if (action === undefined) throw unknownAction(check.action);
  const subject = await findSubject(db, asking.organizationId, check);
  const checked =
    action.type === "Action"
      ? await checkService(db, asking, check, subject)
      : await checkApplication(db, asking, check, subject, action);
  const names = [check.action, checked.permission].filter((name) => name !== "");
  const isLimited = !isWithin(subject.principal.permissionLimit, ...names);
  const isFree = subject.obstacle === AccessObstacle.UNSPECIFIED;
  return {
    ...subject,
    ...checked,
    obstacle: isFree && isLimited ? AccessObstacle.PERMISSION_LIMIT : subject.obstacle,
  };
}

type Answer = Pick<CheckedAccess, "decision" | "permission" | "resource">;

async function checkService(
  db: Queryable,
  { organizationId, requestId, time }: Asking,
  check: AccessCheck,
  { principal }: Subject,
): Promise<Answer> {
  const method = judgedMethods.find((candidate) => candidate.action === check.action);
  if (method === undefined) throw unknownAction(check.action);
  if (check.entities.length > 0 || check.context !== undefined) {
    throw invalid("check.entities", "and the context are for actions of your own applications");
  }
  const resource = check.resource
    ? toUid(check.resource, "check.resource")
    : { type: "Organization", id: organizationId };
  const types = resourceTypesOf(method);
  if (!types.includes(resource.type)) {
    throw invalid("check.resource", `must be of type ${types.join(" or ")} for ${check.action}`);
  }
  const { permission } = method.access;
  const authentication = principal.id.startsWith("usr_") ? "session" : "signature";
  const address = readAddress(check.address);
  const circumstances = { address, authentication, requestId, time } as const;
  const question = { principal, action: check.action, permission, resource, circumstances };
  return { decision: await decide(question, lookUpIn(db, organizationId)), permission, resource };
}

async function checkApplication(
  db: Queryable,
  { organizationId }: Asking,
  check: AccessCheck,
  { principal }: Subject,
  action: EntityUid,
): Promise<Answer> {
  const schema = await findSchema(db, organizationId);
  const namespace = action.type.replace(/::Action$/, "");
  const declared = schema.application[namespace]?.actions ?? {};
  if (!Object.hasOwn(declared, action.id)) throw unknownAction(check.action);
  const resource = toUid(check.resource, "check.resource");
  const organization = { type: "Organization", id: organizationId };
  const own = applicationEntities(check.entities, Object.keys(schema.application));
  const accounts = own.flatMap(({ parents }) => parents as EntityUid[]).filter(isAccount);
  const request = {
    principal: uidOfPrincipal(principal),
    action,
    resource,
    context: cedarRecord(check.context ?? {}, "check.context"),
    entities: distinct([
      ...own,
      ...entitiesOfPrincipal(principal),
      ...accounts.map((account) => entityOf(account, [organization])),
    ]),
    schema: schemaName(schema),
  };
  try {
    return { decision: principal.policies.decide(request), permission: "", resource };
  } catch (error) {
    if (error instanceof UnreadableRequest) throw invalid("check", error.message);
    throw error;
  }
}

function isAccount({ type }: EntityUid): boolean {
  return type === "Account";
}

function readAddress(text: string): string {
  const address = parseAddress(text);
  if (text === "" || address !== undefined) return address?.toString() ?? "";
  throw invalid("check.address", "must be an IPv4 or IPv6 address such as 203.0.113.7");
}

function unknownAction(name: string) {
  const example = actionName({ type: "Shop::Action", id: "refund" });
  return invalid(
    "check.action",
    `is "${name}": there is no such action; name an RPC that takes a permission, or an action of your applications such as ${example}`,
  );
}

export function toDecision({
  decision,
  obstacle,
}: CheckedAccess): MessageInitShape<typeof AccessDecisionSchema> {
  const isFree = obstacle === AccessObstacle.UNSPECIFIED;
  const deciding = isFree ? decision.statements : [];
  const policyIds = deciding.map(({ policyId }) => policyId).filter((id) => id !== "");
  return {
    permitted: decision.permitted && isFree,
    policyIds: [...new Set(policyIds)].sort(),
    obstacle,
  };
}
