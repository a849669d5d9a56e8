import type { PdaasError } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Actors, type TestBot } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

// Texts that are as large as a policy may be, and meant to break Cedar. Whatever becomes of them, everybody
// else is served.

let service: TestService;
let make: Actors;
let bystander: TestBot;
let named = 0;

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  const text = `permit (principal, action == Action::"GetAccount", resource)
    when { context.authentication == "signature" };`;
  bystander = await make.bot({ policies: [await make.policy(text)] });
});
afterAll(() => service[Symbol.asyncDispose]());

const maxBytes = 16_384;
const permit = (condition: string, scope = "action") =>
  `permit (principal, ${scope}, resource) when { ${condition} };`;

/** The largest text of a kind that has no more bytes. */
function largest(text: (count: number) => string, bytes: number): string {
  let [fits, over] = [1, bytes];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (Buffer.byteLength(text(middle)) <= bytes) fits = middle;
    else over = middle;
  }
  return text(fits);
}

const nested = (open: string, inner: string, close: string) => (count: number) =>
  permit(`${open.repeat(count)}${inner}${close.repeat(count)}`);
const chained =
  (first: string, more: string, last = "") =>
  (count: number) =>
    permit(`${first}${more.repeat(count)}${last}`);

const kinds: Record<string, (count: number) => string> = {
  parentheses: nested("(", "true", ")"),
  "parentheses that comments seem to close": nested("( // )\n", "true", ")"),
  sets: (count) => permit(`${"[".repeat(count)}1${"]".repeat(count)} == [1]`),
  "sets that comments seem to close": (count) =>
    permit(`[].contains(${"[ // ]\n".repeat(count)}1${"]".repeat(count)})`),
  records: (count) => permit(`${"{a: ".repeat(count)}1${"}".repeat(count)} has a`),
  "calls in calls": nested("context.time.offset(duration(", '"1s"', "))"),
  "if in the condition": nested("if ", "true", " then true else true"),
  "if in what comes of it": nested("if true then ", "true", " else true"),
  "if in what comes of it otherwise": chained("", "if context has address then true else ", "true"),
  not: chained("", "!", "true"),
  "not with parentheses": nested("!(", "true", ")"),
  minus: chained("", "-", "1 == 1"),
  "a long chain of &&": chained("true", "&&true"),
  "a long chain of && of the context": chained("context has address", "&&context has address"),
  "a long chain of ||": chained("context has account", "||context has account"),
  "a long chain of && and ||": chained("true", "&&true||true"),
  "a long chain of +": chained("1", "+1", " > 0"),
  "a long chain of *": chained("1", "*1", " > 0"),
  "a long chain of calls": chained("context.time", ".toDate()", " == context.time"),
  "a long chain of attributes": chained("context", ".a", " == 1"),
  "a long chain of indexes": chained("context", '["a"]', " == 1"),
  "many when": (count) => `permit (principal, action, resource)${" when{true}".repeat(count)};`,
  "many unless": (count) =>
    `permit (principal, action, resource)${" unless{false}".repeat(count)};`,
  "many statements": (count) => "permit(principal,action,resource);".repeat(count),
  "many actions": (count) =>
    `permit (principal, action in [${'Action::"GetUser",'.repeat(count)}], resource);`,
  "a large set": (count) => permit(`[${"1,".repeat(count)}1].contains(1)`),
  "a large record": (count) =>
    permit(`{${Array.from({ length: count }, (_, i) => `a${i}: 1`)}} has a0`),
  "many annotations": (count) =>
    `${Array.from({ length: count }, (_, i) => `@a${i}("x")`).join("")}permit (principal, action, resource);`,
  "a long pattern": (count) => permit(`context.requestId like "${"*a".repeat(count)}"`),
  "a long text": (count) => permit(`context.requestId == "${"a".repeat(count)}"`),
  "a long name of a type": (count) => permit(`principal is ${"A::".repeat(count)}B`),
  "a long comment": (count) => `//${"(".repeat(count)}\npermit (principal, action, resource);`,
};

/** Holds that others, old and new, are answered as ever. */
async function servesOthers(): Promise<void> {
  await bystander.client.accounts.get({ accountId: "acc-123" });
  expect(await refusalOf(bystander.client.accounts.list().page())).toMatchObject({
    reason: "PERMISSION_MISSING",
  });
  const fresh = await make.bot({ permissions: ["Accounts.read"] });
  await fresh.client.accounts.list().page();
}

// Smaller ones too: they may be found valid, and break what the largest does not reach.
const sizes = [1, 3, 8].map((part) => Math.floor(maxBytes / part));

test.each(Object.keys(kinds))("%s", { timeout: 120_000 }, async (kind) => {
  const outcomes: string[] = [];
  for (const bytes of sizes) {
    const text = largest(kinds[kind] as (count: number) => string, bytes);
    outcomes.push(await outcomeOf(text));
    await servesOthers();
  }
  // What is found valid can be evaluated.
  const fair = ["FIELD_INVALID", "OK", "PERMISSION_MISSING"];
  expect(outcomes.filter((outcome) => !fair.includes(outcome))).toEqual([]);
});

/** What a policy is answered or, where it is valid, a call of whom it is attached to. */
async function outcomeOf(text: string): Promise<string> {
  const policy = { name: `Hostile ${++named}`, text };
  try {
    const { id: policyId } = await service.admin.policies.create(policy);
    const { client } = await make.bot({ policies: [policyId] });
    await client.accounts.list().page();
    return "OK";
  } catch (error) {
    return (error as PdaasError).reason ?? String(error);
  }
}

describe("what breaks Cedar when it is evaluated, and is stored all the same,", () => {
  const chain = permit(`context has address${" && context has address".repeat(600)}`);
  let policyId: string;

  beforeAll(async () => {
    policyId = await make.policy(permit("context has address"));
    // As a version that did not know better has stored it.
    await service.database.query(
      `update policies set statements = jsonb_set(statements::jsonb, '{0,text}', to_jsonb($1::text))
        where id = $2`,
      [chain, policyId],
    );
  });

  test("permits nothing to whom it is attached to, and harms nobody else", async () => {
    const held = await make.bot({ policies: [policyId], permissions: ["Accounts.read"] });
    for (let round = 0; round < 3; round++) {
      const refusal = await refusalOf(held.client.accounts.get({ accountId: "acc-123" }));
      expect(["internal", "permission_denied"]).toContain(refusal.code);
      await servesOthers();
    }
    const check = { principalId: held.id, action: "ListAccounts" };
    const answer = await service.admin.access.authorize(check).then(
      ({ permitted }) => permitted,
      ({ code }) => code,
    );
    expect([false, "internal"]).toContain(answer);
    await service.admin.policies.detach({ policyId, targetId: held.id });
    await held.client.accounts.get({ accountId: "acc-123" });
  });

  test("is not attached to all, as nobody could take it away again", async () => {
    const attached = await service.admin.policies
      .attach({ policyId, targetId: service.organizationId })
      .then(
        () => true,
        () => false,
      );
    const cleanedUp = await service.admin.policies
      .detach({ policyId, targetId: service.organizationId })
      .then(
        () => true,
        () => false,
      );
    await service.database.query("delete from policy_attachments where policy_id = $1", [policyId]);
    expect({ attached, cleanedUp }).toEqual({ attached: false, cleanedUp: true });
  });
});

test("a policy that is larger than one may be is refused, and so is no text", async () => {
  for (const text of [`//${"x".repeat(maxBytes)}`, ""]) {
    const create = service.admin.policies.create({ name: "Large", text });
    expect(await refusalOf(create)).toMatchObject({ reason: "FIELD_INVALID" });
  }
});
