import { LRUCache } from "lru-cache";
import { type PolicyOrigin, parseStatements, type Statement, statementsIn } from "./statement.ts";

/** A policy that comes with the product, and cannot be changed. */
export interface ManagedPolicy {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly text: string;
}

function permit(permissions: string[]): string {
  const actions = permissions.map((name) => `  Action::"${name}"`).join(",\n");
  return `permit (principal, action in [\n${actions}\n], resource);`;
}

/** Held by the first administrator. */
export const administratorPolicyId = "pol_organization_administrator";

/** In the order in which they are listed. */
export const managedPolicies: readonly ManagedPolicy[] = [
  {
    id: administratorPolicyId,
    name: "Organization administrator",
    description: "May do everything, also what is added later and what applications declare.",
    text: "permit (principal, action, resource);",
  },
  {
    id: "pol_service_account_administrator",
    name: "Service account administrator",
    description: "May manage accounts, service accounts, their API keys and their allowlists.",
    text: permit([
      "Accounts.read",
      "Accounts.write",
      "ServiceAccounts.read",
      "ServiceAccounts.write",
      "ApiKeys.read",
      "ApiKeys.write",
      "Allowlists.read",
      "Allowlists.write",
    ]),
  },
  {
    id: "pol_key_administrator",
    name: "Key administrator",
    description:
      "May manage API keys, and grant nothing: keys that could do more are not issued by it, but can be stopped.",
    text: permit(["Accounts.read", "ServiceAccounts.read", "ApiKeys.read", "ApiKeys.write"]),
  },
  {
    id: "pol_auditor",
    name: "Auditor",
    description: "May read the audit log, and nothing else.",
    text: permit(["AuditEvents.read"]),
  },
  {
    id: "pol_viewer",
    name: "Viewer",
    description: "May look at everything but the audit log, and change nothing.",
    text: permit([
      "Accounts.read",
      "Users.read",
      "Groups.read",
      "Policies.read",
      "ServiceAccounts.read",
      "ApiKeys.read",
      "Allowlists.read",
    ]),
  },
];

const byId = new Map(managedPolicies.map((policy) => [policy.id, policy]));

export function findManagedPolicy(id: string): ManagedPolicy | undefined {
  return byId.get(id);
}

/** What was taken apart, by its text: most principals have the same. */
const parsed = new LRUCache<string, ReturnType<typeof parseStatements>>({ max: 1_000 });

/** The statements of a policy that comes with the product. */
export function managedStatements({ text }: ManagedPolicy, origin: PolicyOrigin): Statement[] {
  return statementsIn(parsedOnce(text), origin);
}

/** Permissions that were given directly, as the statement that they stand for. */
export function directStatements(permissions: readonly string[]): Statement[] {
  if (permissions.length === 0) return [];
  const text = permissions.includes("*")
    ? "permit (principal, action, resource);"
    : permit([...permissions]);
  return statementsIn(parsedOnce(text), { policyId: "", policyName: "", targetId: "" });
}

function parsedOnce(text: string) {
  let statements = parsed.get(text);
  if (statements === undefined) {
    statements = parseStatements(text);
    parsed.set(text, statements);
  }
  return statements;
}
