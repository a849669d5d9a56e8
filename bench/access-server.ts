// The service, which decides for service accounts with 20 policies each that no two of them share.

import { sql } from "kysely";
import { pino } from "pino";
import { readConfig } from "../src/config.ts";
import { firstRun } from "../src/first-run.ts";
import { decide, type Question } from "../src/iam/authorize.ts";
import type { Principal } from "../src/iam/principal.ts";
import { parseStatements } from "../src/iam/statement.ts";
import { newId } from "../src/ids.ts";
import type { App } from "../src/rpc/app.ts";
import { lookUpIn } from "../src/rpc/entities.ts";
import { startService } from "../src/service.ts";
import type { DecisionCosts } from "./access.ts";
import { fill } from "./fill.ts";
import { median, rounded } from "./measure.ts";
import { answer } from "./process.ts";

const serviceAccounts = 500;
const policiesOfEach = 20;
/** Decisions that are not counted: code is slow before it has run often. */
const warmUp = 100;
const repetitions = 20_000;

const circumstances = {
  address: "10.1.2.3",
  authentication: "signature",
  requestId: "req_0",
  time: 0,
} as const;

const config = readConfig();
let costs: DecisionCosts | undefined;
const service = await startService(config, pino({ level: config.logLevel }), fail, async (app) => {
  const first = await firstRun(config, app);
  costs = await measure(app, first?.administrator.organizationId ?? fail("not empty"));
});
process.on("SIGTERM", () => service.close().then(() => process.exit(0)));
answer(costs, {});

function fail(reason: string): never {
  throw new Error(reason);
}

async function measure(app: App, organizationId: string): Promise<DecisionCosts> {
  const keys = await fill(app, organizationId, { usable: serviceAccounts, others: 0 });
  await attachPolicies(app, organizationId);
  const lookUp = lookUpIn(app.db, organizationId);
  const cold: number[] = [];
  const cached: number[] = [];
  const constant: number[] = [];
  for (const { accessKey } of keys) {
    const began = performance.now();
    const credential = await app.credentials.get(accessKey);
    const principal = credential?.principal ?? fail("a key is not there");
    const question = conditional(principal);
    const decision = await decide(question, lookUp);
    cold.push(performance.now() - began);
    if (!decision.permitted) fail("the decision is wrong");
    if (cold.length % warmUp !== 0) continue;
    cached.push(microsecondsOf(question));
    constant.push(microsecondsOf(unconditional(principal)));
  }
  return {
    cold_ms: rounded(median(cold.slice(warmUp)), 3),
    cached_us: rounded(median(cached.slice(1)), 3),
    constant_us: rounded(median(constant.slice(1)), 3),
  };

  function microsecondsOf(question: Question): number {
    void decide(question, lookUp);
    const began = performance.now();
    for (let i = 0; i < repetitions; i++) {
      if (decide(question, lookUp) instanceof Promise) fail("it was not cached");
    }
    return ((performance.now() - began) * 1_000) / repetitions;
  }
}

/** The resource is the organization, which is not looked up: the decision costs one query in all. */
function conditional(principal: Principal): Question {
  const resource = { type: "Organization", id: principal.organizationId };
  const action = "ListServiceAccounts";
  return { principal, action, permission: "ServiceAccounts.read", resource, circumstances };
}

function unconditional(principal: Principal): Question {
  return { ...conditional(principal), action: "ListUsers", permission: "Users.read" };
}

async function attachPolicies(app: App, organizationId: string): Promise<void> {
  const { rows } = await sql<{ id: string }>`select id from service_accounts`.execute(app.db);
  const policies = rows.flatMap(({ id: targetId }, i) =>
    Array.from({ length: policiesOfEach }, (_, j) => {
      const text = textOf(organizationId, i, j);
      return {
        id: newId("pol"),
        name: `${i} ${j}`,
        targetId,
        text,
        statements: parseStatements(text),
      };
    }),
  );
  const json = JSON.stringify(policies);
  await sql`
    insert into policies (id, organization_id, name, description, text, statements)
    select p ->> 'id', ${organizationId}, p ->> 'name', '', p ->> 'text', (p -> 'statements')::json
    from jsonb_array_elements(${json}::jsonb) as p`.execute(app.db);
  await sql`
    insert into policy_attachments (organization_id, policy_id, target_id)
    select ${organizationId}, p ->> 'id', p ->> 'targetId'
    from jsonb_array_elements(${json}::jsonb) as p`.execute(app.db);
  await sql`update service_accounts set permissions = '{}'`.execute(app.db);
  await sql`update api_keys set permission_limit = null`.execute(app.db);
  await sql`analyze`.execute(app.db);
}

/** All but one say who may read service accounts, by resource and address; one of them holds. */
function textOf(organizationId: string, i: number, j: number): string {
  if (j === 0) return 'permit (principal, action in Action::"Users.read", resource);';
  const scope = j === 1 ? `Organization::"${organizationId}"` : `Account::"team-${i}-${j}"`;
  const condition = `context has address && context.address.isInRange(ip("10.${j % 5}.0.0/16"))`;
  return `permit (principal, action in Action::"ServiceAccounts.read", resource in ${scope})
when { ${condition} };`;
}
