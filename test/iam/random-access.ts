import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import type { Circumstances, LookUp, Question } from "../../src/iam/authorize.ts";
import { entityOf, PolicySlice } from "../../src/iam/policy-slice.ts";
import { type Principal, PrincipalType } from "../../src/iam/principal.ts";
import { judgedMethods, resourceTypesOf } from "../../src/iam/schema.ts";
import {
  type EntityUid,
  type ParsedStatement,
  parseStatements,
  type Statement,
  statementsIn,
} from "../../src/iam/statement.ts";

// A small organization, and policies, principals and calls that are made up within it.

export const organizationId = "org_1";

/** What there is of each type. Who is in which group, and what is labelled how, changes with the epoch. */
const ids: Record<string, string[]> = {
  Organization: [organizationId],
  Account: ["acc-a", "acc-b"],
  Group: ["grp_1", "grp_2"],
  User: ["usr_1", "usr_2"],
  ServiceAccount: ["svc_1", "svc_2", "svc_3"],
  ApiKey: ["key_1", "key_2", "key_3"],
  AllowlistEntry: ["alw_1", "alw_2"],
  Policy: ["pol_1", "pol_2"],
};

const organization = { type: "Organization", id: organizationId };
const numberOf = (id: string) => Number(id.at(-1));
const accountOf = (id: string) => (numberOf(id) === 2 ? "acc-b" : "acc-a");
const groupsOf = (id: string, epoch: number) =>
  [1, 2].filter((group) => (numberOf(id) + group + epoch) % 2 === 0).map((group) => `grp_${group}`);
const labelsOf = (id: string, epoch: number): Record<string, string> =>
  numberOf(id) === 3 ? {} : { env: (numberOf(id) + epoch) % 2 === 0 ? "test" : "production" };

function parentsOf({ type, id }: EntityUid, epoch: number): EntityUid[] {
  const groups = () => groupsOf(id, epoch).map((group) => ({ type: "Group", id: group }));
  switch (type) {
    case "Organization":
      return [];
    case "User":
      return [organization, ...groups()];
    case "ServiceAccount":
      return [{ type: "Account", id: accountOf(id) }, ...groups()];
    case "ApiKey":
      return [{ type: "ServiceAccount", id: `svc_${numberOf(id)}` }];
    case "AllowlistEntry":
      return [{ type: numberOf(id) === 1 ? "ApiKey" : "Account", id: entryOf(id) }];
    default:
      return [organization];
  }
}

const entryOf = (id: string) => (numberOf(id) === 1 ? "key_1" : "acc-b");

/** Something, and all that it is in. */
export function entitiesAt(epoch: number, uid: EntityUid): EntityJson[] {
  const parents = parentsOf(uid, epoch);
  const tags = uid.type === "ApiKey" ? labelsOf(uid.id, epoch) : {};
  const own = entityOf(uid, parents, {}, tags);
  return [own, ...parents.flatMap((parent) => entitiesAt(epoch, parent))];
}

export const lookUpAt =
  (epoch: number): LookUp =>
  async (wanted) =>
    wanted.flatMap((uid) => entitiesAt(epoch, uid));

/** Statements by their text: to take one apart costs more than all else here. */
const parsed = new Map<string, ParsedStatement[]>();

/** @param policyId the same for a statement that two principals are held to */
export function statementOf(text: string, policyId = text): Statement {
  const known = parsed.get(text) ?? parseStatements(text);
  parsed.set(text, known);
  const origin = { policyId, policyName: "", targetId: "" };
  return statementsIn(known, origin)[0] as Statement;
}

export function principalOf(
  id: string,
  statements: readonly Statement[],
  { epoch = 0, limit = null }: { epoch?: number; limit?: string[] | null } = {},
): Principal {
  const isUser = id.startsWith("usr_");
  return {
    type: isUser ? PrincipalType.USER : PrincipalType.SERVICE_ACCOUNT,
    id,
    organizationId,
    organization: {} as never,
    accountId: isUser ? "" : accountOf(id),
    name: "",
    email: "",
    apiKeyId: isUser ? "" : `key_${numberOf(id)}`,
    sessionId: isUser ? "ses_1" : "",
    groups: groupsOf(id, epoch),
    policies: new PolicySlice(statements),
    permissionLimit: limit && new Set(limit),
    epoch,
  };
}

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const anyId = (type: string) => fc.constantFrom(...(ids[type] as string[]));
const reference = (...types: string[]) =>
  oneOf(...types).chain((type) => anyId(type).map((id) => `${type}::"${id}"`));

export const principalIds = oneOf("usr_1", "usr_2", "svc_1", "svc_2", "svc_3");

const principalScope = fc.oneof(
  { weight: 4, arbitrary: fc.constant("principal") },
  reference("User", "ServiceAccount").map((uid) => `principal == ${uid}`),
  reference("Group", "Account", "Organization").map((uid) => `principal in ${uid}`),
  oneOf("User", "ServiceAccount").map((type) => `principal is ${type}`),
  reference("Group").map((uid) => `principal is ServiceAccount in ${uid}`),
);

/** A few of each kind: with more, two statements would seldom be about the same. */
const actions = [
  "GetAccount",
  "CreateServiceAccount",
  "GetServiceAccount",
  "UpdateServiceAccount",
  "IssueApiKey",
  "GetApiKey",
  "RevokeApiKey",
  "CreateAllowlistEntry",
  "GetAllowlistEntry",
  "GetUser",
  "AddGroupMember",
  "AttachPolicy",
  "ListAuditEvents",
];
export const methodsAsked = judgedMethods.filter(({ action }) => actions.includes(action));
export const permissionNames = [...new Set(methodsAsked.map(({ access }) => access.permission))];

const actionScope = fc.oneof(
  { weight: 3, arbitrary: fc.constant("action") },
  oneOf(...actions).map((name) => `action == Action::"${name}"`),
  oneOf(...permissionNames).map((name) => `action in Action::"${name}"`),
  fc
    .uniqueArray(oneOf(...actions, ...permissionNames), { minLength: 1, maxLength: 3 })
    .map((names) => `action in [${names.map((name) => `Action::"${name}"`).join(", ")}]`),
);

const resourceScope = fc.oneof(
  { weight: 3, arbitrary: fc.constant("resource") },
  reference(...Object.keys(ids)).map((uid) => `resource == ${uid}`),
  reference("Organization", "Account", "ServiceAccount", "Group").map(
    (uid) => `resource in ${uid}`,
  ),
  oneOf("ServiceAccount", "ApiKey", "Account").map((type) => `resource is ${type}`),
  reference("Account").map((uid) => `resource is ServiceAccount in ${uid}`),
);

/** Each can be evaluated whatever a call is about; the last one always breaks off. */
const expressions = [
  'context has address && context.address.isInRange(ip("10.0.0.0/8"))',
  "context has address && context.address.isIpv6()",
  'context.authentication == "session"',
  '["signature", "token"].contains({how: context.authentication}.how)',
  'context.time < datetime("2026-06-01T00:00:00Z")',
  'context.requestId like "req_a*"',
  'context has apiKey && context.apiKey == ApiKey::"key_1"',
  'context has apiKey && context.apiKey in ServiceAccount::"svc_2"',
  'context has apiKey && context.apiKey.hasTag("env") && context.apiKey.getTag("env") == "test"',
  'context has account && context.account == Account::"acc-a"',
  "context has account && resource in context.account",
  'principal in Group::"grp_1"',
  "principal is User",
  "resource in principal",
  "principal in resource",
  'resource in Account::"acc-b"',
  'resource in Group::"grp_2"',
  'resource is ApiKey && resource.hasTag("env") && resource.getTag("env") == "production"',
  'action in [Action::"ApiKeys.read", Action::"ServiceAccounts.read"]',
  'if context has address then context.address.isInRange(ip("192.0.2.0/24")) else false',
  "9223372036854775807 + 1 > 0",
];

const clause = fc
  .tuple(oneOf("when", "when", "unless"), oneOf(...expressions))
  .map(([kind, expression]) => `${kind} { ${expression} }`);
const clauses = fc.oneof(
  { weight: 2, arbitrary: fc.constant<string[]>([]) },
  fc.array(clause, { minLength: 1, maxLength: 3 }),
);

export interface StatementParts {
  effect: string;
  principal: string;
  action: string;
  resource: string;
  clauses: string[];
}

export function textOf({ effect, principal, action, resource, clauses }: StatementParts): string {
  return `${effect} (${principal}, ${action}, ${resource})${clauses.map((c) => ` ${c}`).join("")};`;
}

export const statementParts = (effect: fc.Arbitrary<string>): fc.Arbitrary<StatementParts> =>
  fc.record({
    effect,
    principal: principalScope,
    action: actionScope,
    resource: resourceScope,
    clauses,
  });

export const anyStatement = statementParts(oneOf("permit", "permit", "forbid")).map(textOf);
export const anyForbid = statementParts(fc.constant("forbid")).map(textOf);

/** A statement that says as much as another one, or less, in most cases. */
export const narrowerThan = (wide: StatementParts): fc.Arbitrary<StatementParts> =>
  fc.record({
    effect: fc.constant(wide.effect),
    principal: fc.oneof(fc.constant("principal"), principalScope),
    action: fc.oneof(fc.constant(wide.action), actionScope),
    resource: fc.oneof(fc.constant(wide.resource), resourceScope),
    clauses: fc.array(clause, { maxLength: 1 }).map((more) => [...more, ...wide.clauses]),
  });

export const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  address: oneOf("", "10.1.2.3", "192.0.2.7", "2001:db8::1"),
  authentication: oneOf("session", "signature", "token"),
  requestId: oneOf("req_a1", "req_b2"),
  time: oneOf(Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1)),
});

/** A call of no one in particular. */
export type Asked = Omit<Question, "principal">;

const methodAndResource = oneOf(...methodsAsked).chain((method) =>
  oneOf(...resourceTypesOf(method)).chain((type) =>
    anyId(type).map((id) => ({ method, resource: { type, id } })),
  ),
);

export const anyCall: fc.Arbitrary<Asked> = fc
  .tuple(methodAndResource, circumstances)
  .map(([{ method, resource }, how]) => ({
    action: method.action,
    permission: method.access.permission,
    resource,
    circumstances: how,
  }));
