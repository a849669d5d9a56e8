import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { methods } from "../../src/contract.ts";
import { managedPolicies } from "../../src/iam/managed-policies.ts";

// What the YAML files beside this one may say. A scenario has an organization of its own, with the account
// `acc-123`. All that it makes has a name, by which policies, attachments and calls speak of it: in the
// text of a policy, ${name} stands for the entity, such as Account::"acc-123". The organization is
// `organization`.

/** What a scenario's principals may be: it is run with all of them as the one, and as the other. */
export const kinds = ["user", "serviceAccount"] as const;
export type Kind = (typeof kinds)[number];

const name = z.string().regex(/^[a-z][a-z0-9_-]+$/);
const managedPolicy = z.string().refine((id) => managedPolicies.some((policy) => policy.id === id));
const permissions = z.array(z.string());
const labels = z.record(z.string(), z.string());

const principal = z.strictObject({
  /** Given directly. */
  permissions: permissions.default([]),
  /** Of a service account. */
  account: name.optional(),
  /** What the key of a service account is like; as a resource, it is called `<name of the principal>-key`. */
  key: z
    .strictObject({ permissionLimit: permissions.optional(), labels: labels.default({}) })
    .optional(),
});

/** A call to the service. */
const call = z.strictObject({
  principal: name,
  rpc: z.enum([...methods.values()].map(({ action }) => action)),
  /** What policies judge the call by. */
  resource: name.default("organization"),
  /** Where it comes from; `unknown` where that cannot be told. */
  address: z.string().default("127.0.0.1"),
});

const reference = z.strictObject({ type: z.string(), id: z.string() });
const record = z.record(z.string(), z.json());

/** An action of the organization's own applications, which ask the service about it. */
const question = z.strictObject({
  principal: name,
  action: z.string(),
  resource: reference,
  entities: z
    .array(
      z.strictObject({
        reference,
        attributes: record.default({}),
        parents: z.array(reference).default([]),
      }),
    )
    .default([]),
  context: record.optional(),
});

const expectations = z.strictObject({
  /** What is permitted. */
  assertTrue: z.array(z.union([call, question])).default([]),
  /** What is refused. */
  assertFalse: z.array(z.union([call, question])).default([]),
});

function assertsSomething({ assertTrue, assertFalse }: z.infer<typeof expectations>): boolean {
  return assertTrue.length + assertFalse.length > 0;
}

/** What may be named that is not there. */
const unknownType = z.enum([
  "Account",
  "AllowlistEntry",
  "ApiKey",
  "Group",
  "Policy",
  "ServiceAccount",
  "User",
]);

/** How identifiers of each type begin; an account's are chosen. */
export const idPrefixes = {
  AllowlistEntry: "alw",
  ApiKey: "key",
  Group: "grp",
  Policy: "pol",
  ServiceAccount: "svc",
  User: "usr",
} as const;

const scenario = z
  .strictObject({
    description: z.string(),
    /** Only where the scenario is about one kind by its nature. */
    kinds: z
      .array(z.enum(kinds))
      .min(1)
      .default([...kinds]),
    /** Accounts beside `acc-123`; a name is an identifier. */
    accounts: z.array(name).default([]),
    principals: z.record(name, principal),
    /** Users who only are there. */
    users: z.array(name).default([]),
    serviceAccounts: z
      .record(name, z.strictObject({ account: name.default("acc-123") }))
      .default({}),
    apiKeys: z.record(name, z.strictObject({ of: name, labels: labels.default({}) })).default({}),
    /** Whose list each is on. */
    allowlistEntries: z.record(name, name).default({}),
    /** The members of each. */
    groups: z.record(name, z.array(name)).default({}),
    /** The type of each: nothing has its identifier. */
    unknown: z.record(name, unknownType).default({}),
    /** What the organization's applications declare. */
    applicationSchema: z.string().default(""),
    policies: z
      .record(name, z.strictObject({ text: z.string(), attachedTo: z.array(name).default([]) }))
      .default({}),
    /** What each is attached to. */
    managedPolicies: z.record(managedPolicy, z.array(name)).default({}),
    ...expectations.shape,
    /** What is taken away then, and holds after that. */
    afterwards: z
      .strictObject({
        removed: z.record(name, z.array(name)).default({}),
        detached: z.record(z.string(), z.array(name)).default({}),
        ...expectations.shape,
      })
      .refine(assertsSomething, "asserts nothing")
      .optional(),
  })
  .refine(assertsSomething, "asserts nothing")
  .refine(
    (scenario) =>
      !scenario.kinds.includes("user") ||
      Object.values(scenario.principals).every(({ account, key }) => !account && !key),
    "has a principal with an account or a key, and is for users as well",
  );

export type Scenario = z.infer<typeof scenario>;
export type Expectations = z.infer<typeof expectations>;
export type Call = z.infer<typeof call>;
export type Question = z.infer<typeof question>;

/** All scenarios by their file. */
export function readScenarios(): Record<string, Scenario[]> {
  const folder = new URL("./", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return Object.fromEntries(files.map((file) => [file, readFile(new URL(file, folder))]));
}

function readFile(file: URL): Scenario[] {
  const answer = z
    .array(scenario)
    .min(1)
    .safeParse(parse(readFileSync(file, "utf8")));
  if (answer.success) return answer.data;
  throw new Error(`${file.pathname}: ${z.prettifyError(answer.error)}`);
}
