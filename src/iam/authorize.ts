import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { LRUCache } from "lru-cache";
import { Code, ServiceError } from "../errors.ts";
import { isWithin } from "./permissions.ts";
import { type Decision, entityOf, type Plan, type Request } from "./policy-slice.ts";
import { type Principal, PrincipalType } from "./principal.ts";
import { type EntityUid, wholeContext } from "./statement.ts";

/** How a call is made: what conditions of policies may look at. */
export interface Circumstances {
  /** Empty when it is not known. */
  readonly address: string;
  readonly authentication: Authentication;
  readonly requestId: string;
  /** Unix milliseconds. */
  readonly time: number;
}

/** How a caller has proven who it is. */
export type Authentication = "session" | "signature" | "token";

/** May this principal do this to that? */
export interface Question {
  readonly principal: Principal;
  /** An RPC, such as `IssueApiKey`. */
  readonly action: string;
  /** The permission that it takes. */
  readonly permission: string;
  readonly resource: EntityUid;
  readonly circumstances: Circumstances;
}

/** Finds what is stored of entities, and of all that they are in. */
export type LookUp = (entities: readonly EntityUid[]) => Promise<EntityJson[]>;

/** Answers that depend on more than the action, by all that they depend on. */
const decisions = new LRUCache<string, Decision>({ max: 50_000 });
const maxIdLength = 100;
/** What is another one on each call. */
const unrepeatable = ["time", "requestId", wholeContext];

/**
 * Whether the policies that apply to a principal permit what is asked. The limit of its key is another
 * matter.
 * @returns a promise only where something had to be looked up
 */
export function decide(question: Question, lookUp: LookUp): Decision | Promise<Decision> {
  const { principal, action, permission } = question;
  const plan = principal.policies.planOf(action, permission);
  if (plan.decision !== undefined) return plan.decision;
  const key = keyOf(question, plan);
  const known = key === undefined ? undefined : decisions.get(key);
  if (known !== undefined) return known;
  const remember = (decision: Decision) => {
    if (!dependsOnCall(plan)) plan.decision = decision;
    else if (key !== undefined) decisions.set(key, decision);
    return decision;
  };
  const needed = entitiesToLookUp(question, plan);
  if (needed.length === 0) return remember(ask(question, plan, []));
  return lookUp(needed).then((entities) => remember(ask(question, plan, entities)));
}

/**
 * The same, asked of Cedar whatever is known already, and not remembered: for a transaction, which may
 * see what is never committed.
 */
export async function decideAfresh(question: Question, lookUp: LookUp): Promise<Decision> {
  const { principal, action, permission } = question;
  const plan = principal.policies.planOf(action, permission);
  return ask(question, plan, await lookUp(entitiesToLookUp(question, plan)));
}

function dependsOnCall({ principal, resource, context }: Plan): boolean {
  return principal || resource || context.size > 0;
}

/**
 * All that an answer depends on, in a form that no other answer has; undefined where it is good for one
 * call. What no policy looks at is left out.
 */
function keyOf(question: Question, plan: Plan): string | undefined {
  const { principal, action, resource, circumstances } = question;
  // An identifier that nothing has may be of any length.
  if (resource.id.length > maxIdLength) return undefined;
  if (unrepeatable.some((name) => plan.context.has(name))) return undefined;
  const { context } = plan;
  return JSON.stringify([
    principal.policies.serial,
    principal.organizationId,
    principal.epoch,
    action,
    plan.principal ? principal.id : null,
    plan.resource ? [resource.type, resource.id] : null,
    context.has("address") ? circumstances.address : null,
    context.has("authentication") ? circumstances.authentication : null,
    context.has("apiKey") ? principal.apiKeyId : null,
    context.has("account") ? principal.accountId : null,
  ]);
}

function entitiesToLookUp({ principal, resource }: Question, plan: Plan): EntityUid[] {
  const needed: EntityUid[] = [];
  if (plan.resource && resource.type !== "Organization") needed.push(resource);
  const readsKey = plan.context.has("apiKey") || plan.context.has(wholeContext);
  if (readsKey && principal.apiKeyId !== "")
    needed.push({ type: "ApiKey", id: principal.apiKeyId });
  return needed;
}

/** Cedar is told what the policies look at, and no more: to read it costs more than to judge by it. */
function ask(question: Question, plan: Plan, found: EntityJson[]): Decision {
  const { principal, action, permission, resource } = question;
  const group = { type: "Action", id: permission };
  const request: Request = {
    principal: uidOfPrincipal(principal),
    action: { type: "Action", id: action },
    resource,
    context: contextOf(question, plan.context),
    entities: distinct([
      entityOf({ type: "Action", id: action }, [group]),
      ...(dependsOnCall(plan) ? entitiesOfPrincipal(principal) : []),
      ...found,
    ]),
  };
  return principal.policies.decide(request);
}

/** Of entities that were found twice, the first. */
export function distinct(entities: EntityJson[]): EntityJson[] {
  const byUid = new Map<string, EntityJson>();
  for (const entity of entities) {
    const key = JSON.stringify(entity.uid);
    if (!byUid.has(key)) byUid.set(key, entity);
  }
  return [...byUid.values()];
}

export function uidOfPrincipal({ type, id }: Pick<Principal, "type" | "id">): EntityUid {
  return { type: type === PrincipalType.USER ? "User" : "ServiceAccount", id };
}

/** A principal and all that it is in. */
export function entitiesOfPrincipal(principal: Principal): EntityJson[] {
  const { organizationId, accountId, groups } = principal;
  const organization = { type: "Organization", id: organizationId };
  const account = { type: "Account", id: accountId };
  const memberships = groups.map((id) => ({ type: "Group", id }));
  const isUser = principal.type === PrincipalType.USER;
  const own = entityOf(uidOfPrincipal(principal), [
    isUser ? organization : account,
    ...memberships,
  ]);
  return [
    own,
    ...(isUser ? [] : [entityOf(account, [organization])]),
    ...memberships.map((group) => entityOf(group, [organization])),
  ];
}

/** @param read the attributes that policies look at */
function contextOf(
  { principal, circumstances }: Question,
  read: ReadonlySet<string>,
): Record<string, unknown> {
  const { address, authentication, requestId, time } = circumstances;
  const { apiKeyId, accountId } = principal;
  const entity = (type: string, id: string) => ({ __entity: { type, id } });
  const all = {
    authentication,
    requestId,
    time: { __extn: { fn: "datetime", arg: new Date(time).toISOString() } },
    ...(address !== "" && { address: { __extn: { fn: "ip", arg: address } } }),
    ...(apiKeyId !== "" && { apiKey: entity("ApiKey", apiKeyId) }),
    ...(accountId !== "" && { account: entity("Account", accountId) }),
  };
  if (read.has(wholeContext)) return all;
  return Object.fromEntries(Object.entries(all).filter(([name]) => read.has(name)));
}

export interface AuthorizeOptions {
  decider?: typeof decide | typeof decideAfresh;
  /** Told of what the policies say, whatever that is. */
  decided?: (decision: Decision) => void;
}

/**
 * Whether a principal may make a call.
 * @returns a promise only where something had to be looked up
 * @throws ServiceError PERMISSION_DENIED, naming the permission that is missing
 */
export function authorize(
  question: Question,
  lookUp: LookUp,
  { decider = decide, decided = () => {} }: AuthorizeOptions = {},
): Promise<void> | undefined {
  const { principal, action, permission } = question;
  if (!isWithin(principal.permissionLimit, permission)) throw permissionMissing(action, permission);
  const ensure = (decision: Decision) => {
    decided(decision);
    if (!decision.permitted) throw permissionMissing(action, permission);
  };
  const decision = decider(question, lookUp);
  if (decision instanceof Promise) return decision.then(ensure);
  ensure(decision);
  return undefined;
}

function permissionMissing(action: string, permission: string): ServiceError {
  return new ServiceError(
    Code.permissionDenied,
    "PERMISSION_MISSING",
    `You need the permission ${permission} to call ${action}. Ask an administrator of your organization for it.`,
    { metadata: { permission } },
  );
}
