import { isDeepStrictEqual } from "node:util";
import type { Clause, PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";
import { Code, ServiceError } from "../errors.ts";
import { actionsOf, groupsOfAction, type Universe } from "./actions.ts";
import { uidOfPrincipal } from "./authorize.ts";
import { isWithin } from "./permissions.ts";
import type { Principal } from "./principal.ts";
import {
  type EntityUid,
  forbids,
  isPersonal,
  isUnconditional,
  namedActions,
  type Statement,
  sameUid,
  uidOf,
} from "./statement.ts";

// Nobody gives what they do not have. Whether one set of policies permits no more than another cannot be
// told in general, so this errs on the side of refusal: each thing that is given must be had by a
// statement that says at least as much, word for word.

/** What a change would let somebody do. */
export interface Grant {
  /** The statements that would permit it. */
  readonly statements: readonly Statement[];
  /** The limit of the key that would be held to them; null where there is none. */
  readonly limit: ReadonlySet<string> | null;
  /** Who would hold it, if that is a principal. */
  readonly holderId: string | undefined;
  /** The statements that would forbid the holder something. */
  readonly binding: readonly Statement[];
}

/** Everything, also what is added later. */
const everything = "*";

/**
 * Holds that a caller hands out nothing that it does not have itself.
 * @throws ServiceError PERMISSION_ESCALATION, naming what it lacks
 */
export function ensureCovers(caller: Principal, grant: Grant, universe: Universe): void {
  const lacking = new Set(
    grant.statements
      .filter((statement) => !forbids(statement))
      .flatMap((statement) => lackingOf(caller, grant, statement, universe)),
  );
  if (lacking.size > 0) throw escalation([...lacking].sort());
}

export function escalation(lacking: string[]): ServiceError {
  const names = lacking.join(", ");
  return new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    `You cannot hand out ${names}, which you do not have yourself, or not without conditions. Ask an administrator to do it.`,
    { metadata: { permissions: names.slice(0, 300) } },
  );
}

/** What a statement gives that a caller has not: permissions, or actions of applications. */
function lackingOf(
  caller: Principal,
  { limit, holderId, binding }: Grant,
  given: Statement,
  universe: Universe,
): string[] {
  // What a principal may do already, it may also do by another of its keys.
  const isOwn = holderId === caller.id;
  return (actionsOf(given, universe) ?? [everything])
    .flatMap((action) => narrowed(action, limit, universe))
    .filter((action) => {
      if (!isWithin(caller.permissionLimit, ...groupsOfAction(action, universe))) return true;
      if (isOwn) return false;
      const { statements } = caller.policies;
      const bound = isAdministrator(caller) ? [] : statements.filter(forbids);
      return (
        !statements.some((own) => covers(own, given, action, caller, universe)) ||
        bound.some((own) => concerns(own, action, universe) && !binds(own, binding))
      );
    })
    .map((action) => universe.permissionOf(action) ?? action);
}

/** The actions that a key's limit leaves of one, which may be all. */
function narrowed(action: string, limit: ReadonlySet<string> | null, universe: Universe): string[] {
  if (limit === null || limit.has("*")) return [action];
  const candidates = action === everything ? universe.all : [action];
  return candidates.filter((name) => isWithin(limit, ...groupsOfAction(name, universe)));
}

/** Whether a statement of the caller's own permits an action wherever a given one does. */
function covers(
  own: Statement,
  given: Statement,
  action: string,
  caller: Principal,
  universe: Universe,
): boolean {
  return (
    !forbids(own) &&
    concerns(own, action, universe) &&
    holdsFor(own.json, caller) &&
    coversResource(own.json, given.json) &&
    coversConditions(own, given)
  );
}

/** Whether a part of a statement names a group, or asks whether something is in what it does not name. */
export function maySpeakOf(part: unknown, groupId: string): boolean {
  if (typeof part !== "object" || part === null) return part === groupId;
  return Object.entries(part).some(
    ([key, value]) => (key === "in" && isOpen(value)) || maySpeakOf(value, groupId),
  );
}

/** Whether the right operand of `in` is more than entities by name. */
function isOpen({ right }: { right?: unknown }): boolean {
  return right !== undefined && JSON.stringify(right).includes('"Var"');
}

/**
 * What a statement that names a group may come to permit to whoever joins or leaves it: what it says of
 * that group may hold or not, and so is left out.
 */
export function withoutGroup(statement: Statement, groupId: string): Statement {
  const names = (part: unknown) => maySpeakOf(part, groupId);
  const { json } = statement;
  const resource = names(json.resource) ? ({ op: "All" } as const) : json.resource;
  const conditions = json.conditions.filter((clause) => !names(clause));
  return { ...statement, json: { ...json, effect: "permit", resource, conditions } };
}

function concerns(own: Statement, action: string, universe: Universe): boolean {
  const named = actionsOf(own, universe);
  if (named === undefined) return true;
  // For all actions, one that names some says less; and one that forbids some says enough.
  if (action === everything) return forbids(own);
  return named.includes(action);
}

/** Whether a statement's scope has the principal in it. */
export function holdsFor({ principal: scope }: PolicyJson, principal: Principal): boolean {
  switch (scope.op) {
    case "All":
      return true;
    case "==":
      return "entity" in scope && sameUid(uidOf(scope.entity), uidOfPrincipal(principal));
    case "in":
      return "entity" in scope && isIn(principal, uidOf(scope.entity));
    case "is":
      return (
        scope.entity_type === uidOfPrincipal(principal).type &&
        (scope.in === undefined ||
          ("entity" in scope.in && isIn(principal, uidOf(scope.in.entity))))
      );
  }
}

function isIn(principal: Principal, { type, id }: EntityUid): boolean {
  if (type === "Organization") return id === principal.organizationId;
  if (type === "Account") return id === principal.accountId;
  if (type === "Group") return principal.groups.includes(id);
  return sameUid({ type, id }, uidOfPrincipal(principal));
}

function coversResource({ resource: own }: PolicyJson, { resource: given }: PolicyJson): boolean {
  if (own.op === "All" || isDeepStrictEqual(own, given)) return true;
  // What is in something, or of a type in it, is covered by all that is in it.
  if (own.op !== "in" || !("entity" in own)) return false;
  const inner = given.op === "is" ? given.in : given.op === "All" ? undefined : given;
  return (
    inner !== undefined && "entity" in inner && sameUid(uidOf(own.entity), uidOf(inner.entity))
  );
}

/** The same conditions, or fewer. What is said of the principal would be said of another one. */
function coversConditions(own: Statement, given: Statement): boolean {
  if (own.json.conditions.length === 0) return true;
  if (isPersonal(own)) return false;
  const has = (clause: Clause) =>
    !hasInexactNumber(clause) && given.json.conditions.some((c) => isDeepStrictEqual(c, clause));
  return own.json.conditions.every(has);
}

/** Whether there is a number that JSON may have rounded: two of them may look alike. */
function hasInexactNumber(node: unknown): boolean {
  if (typeof node === "number") return !Number.isSafeInteger(node);
  return typeof node === "object" && node !== null && Object.values(node).some(hasInexactNumber);
}

/** Whether a statement that forbids the caller something forbids the holder the same. */
function binds(own: Statement, binding: readonly Statement[]): boolean {
  if (own.json.principal.op !== "All" || isPersonal(own)) return false;
  return binding.some(({ policyId, text }) => policyId === own.policyId && text === own.text);
}

/**
 * Whether a principal may do everything as far as anything permits it. What forbids it something is then
 * its own to decide on.
 */
export function isAdministrator(principal: Principal): boolean {
  if (!isWithin(principal.permissionLimit)) return false;
  return principal.policies.statements.some(
    (statement) =>
      !forbids(statement) &&
      isUnconditional(statement) &&
      namedActions(statement) === undefined &&
      holdsFor(statement.json, principal),
  );
}
