import type {
  ActionType,
  NamespaceDefinition,
  SchemaJson,
  StandardEntityType,
} from "@cedar-policy/cedar-wasm/nodejs";
import { type Method, methods } from "../contract.ts";
import { scratch } from "./engine.ts";

type Namespace = NamespaceDefinition<string>;

const string = { type: "String" } as const;
const optional = { required: false } as const;

function entity(memberOfTypes: string[]): StandardEntityType<string> {
  return { memberOfTypes };
}

/**
 * What policies may speak of: principals, and what belongs to an organization. They have no names here:
 * whoever may change a name would change who may do what.
 */
const entityTypes: Namespace["entityTypes"] = {
  Organization: entity([]),
  Account: entity(["Organization"]),
  Group: entity(["Organization"]),
  User: entity(["Group", "Organization"]),
  ServiceAccount: entity(["Account", "Group"]),
  /** Labels are tags. */
  ApiKey: { ...entity(["ServiceAccount"]), tags: string },
  AllowlistEntry: entity(["Organization", "Account", "ServiceAccount", "ApiKey"]),
  Policy: entity(["Organization"]),
  AuditEvent: entity(["Organization"]),
  AuditSink: entity(["Organization"]),
  FailedDelivery: entity(["Organization"]),
};

/** The circumstances of a call to the service. */
const context = {
  type: "Record",
  attributes: {
    /** Absent where it is not known. */
    address: { type: "Extension", name: "ipaddr", ...optional },
    time: { type: "Extension", name: "datetime" },
    /** `session`, `signature` or `token`. */
    authentication: string,
    /** The key that has signed the call; its labels are its tags. */
    apiKey: { type: "Entity", name: "ApiKey", ...optional },
    /** The account of the calling service account. */
    account: { type: "Entity", name: "Account", ...optional },
    requestId: string,
  },
} as const;

/** What has allowlists. */
const allowlisted = ["Organization", "Account", "ServiceAccount", "ApiKey"];

/** RPCs that take a permission: only those are judged by policies. */
export const judgedMethods: readonly Method[] = [...methods.values()].filter(
  ({ access }) => access.permission !== "",
);

/** The types of resource that policies may judge an RPC by. */
export function resourceTypesOf({ judgedBy }: Method): string[] {
  if (judgedBy === undefined) return ["Organization"];
  if (judgedBy.type === "Allowlist") return allowlisted;
  return judgedBy.isOptional ? [judgedBy.type, "Organization"] : [judgedBy.type];
}

function actionOf(method: Method): ActionType<string> {
  return {
    memberOf: [{ id: method.access.permission }],
    appliesTo: {
      principalTypes: ["User", "ServiceAccount"],
      resourceTypes: resourceTypesOf(method),
      context: context as never,
    },
  };
}

const permissionNames = [...new Set(judgedMethods.map(({ access }) => access.permission))];

/** The schema of the service itself. An action is an RPC, and its group the permission that it takes. */
export const contractSchema: SchemaJson<string> = {
  "": {
    entityTypes,
    actions: Object.fromEntries([
      ...permissionNames.map((name) => [name, {}]),
      ...judgedMethods.map((method) => [method.action, actionOf(method)]),
    ]),
  },
};

let text: string | undefined;

/** The same in Cedar's own words. */
export function contractText(): string {
  text ??= textOf(contractSchema);
  return text;
}

function textOf(schema: SchemaJson<string>): string {
  const answer = scratch.call((module) => module.schemaToText(schema));
  if (answer.type === "success") return answer.text;
  throw new Error(`the schema cannot be written down: ${answer.errors[0]?.message}`);
}
