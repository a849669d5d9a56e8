import * as cedar from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { groupsOfAction, universeOf } from "../../src/iam/actions.ts";
import { authorize, decide, decideAfresh, type Question } from "../../src/iam/authorize.ts";
import { ensureCovers, isAdministrator } from "../../src/iam/boundary.ts";
import { isWithin } from "../../src/iam/permissions.ts";
import { type Decision, entityOf } from "../../src/iam/policy-slice.ts";
import { faultsOf } from "../../src/iam/policy-text.ts";
import type { Principal } from "../../src/iam/principal.ts";
import { contractSchema } from "../../src/iam/schema.ts";
import { forbids, type Statement } from "../../src/iam/statement.ts";
import {
  type Asked,
  anyCall,
  anyForbid,
  anyStatement,
  circumstances,
  entitiesAt,
  lookUpAt,
  narrowerThan,
  permissionNames,
  principalIds,
  principalOf,
  statementOf,
  statementParts,
  textOf,
} from "./random-access.ts";

/** How many policies are made up for each test; 2,000 take minutes. */
const numRuns = Number(process.env.PDAAS_TEST_POLICIES ?? 150);
const minutes = { timeout: 60_000 + 500 * numRuns };

const calls = fc.array(anyCall, { minLength: 1, maxLength: 12 });
const statements = fc.array(anyStatement, { minLength: 1, maxLength: 6 });
const limits = fc.uniqueArray(fc.constantFrom("*", ...permissionNames), { maxLength: 4 });

async function permits(principal: Principal, call: Asked): Promise<boolean> {
  return (await decide({ ...call, principal }, lookUpAt(principal.epoch))).permitted;
}

async function isAdmitted(question: Question): Promise<boolean> {
  try {
    await authorize(question, lookUpAt(0));
    return true;
  } catch {
    return false;
  }
}

/** What can be compared of a decision. */
function told({ permitted, statements, errors }: Decision) {
  const broken = errors.map(({ statement }) => statement?.text);
  return {
    permitted,
    statements: statements.map(({ text }) => text).sort(),
    broken: broken.sort(),
  };
}

test("the statements that are made up here are valid", minutes, () => {
  const faults = fc
    .sample(anyStatement, 60)
    .flatMap((text) => faultsOf(text, contractSchema))
    // Of parts that are chosen apart, some go together with no call.
    .filter((fault) => !/impossible|unable to find an applicable action/.test(fault));
  expect(faults).toEqual([]);
});

test("to forbid more never permits anything", minutes, async () => {
  const forbidding = fc.array(anyForbid, { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(
    principalIds,
    statements,
    forbidding,
    calls,
    async (id, texts, more, asked) => {
      const before = principalOf(
        id,
        texts.map((text) => statementOf(text)),
      );
      const after = principalOf(
        id,
        [...texts, ...more].map((text) => statementOf(text)),
      );
      for (const call of asked) {
        if (await permits(after, call)) expect(await permits(before, call)).toBe(true);
      }
    },
  );
  await fc.assert(property, { numRuns });
});

test("a narrower key never may more", minutes, async () => {
  const property = fc.asyncProperty(
    principalIds,
    statements,
    limits,
    limits,
    calls,
    async (id, texts, kept, others, asked) => {
      const own = texts.map((text) => statementOf(text));
      const narrow = principalOf(id, own, { limit: kept });
      const wide = principalOf(id, own, { limit: [...kept, ...others] });
      const free = principalOf(id, own);
      for (const call of asked) {
        if (!(await isAdmitted({ ...call, principal: narrow }))) continue;
        expect(await isAdmitted({ ...call, principal: wide })).toBe(true);
        expect(await isAdmitted({ ...call, principal: free })).toBe(true);
      }
    },
  );
  await fc.assert(property, { numRuns });
});

test("an answer that is known already is the one that Cedar would give", minutes, async () => {
  const epochs = fc.constantFrom(0, 1);
  // Few of each, so that the same is asked again, and almost the same.
  const few = fc.record({
    calls: fc.array(anyCall, { minLength: 1, maxLength: 4 }),
    ways: fc.array(circumstances, { minLength: 1, maxLength: 4 }),
    callers: fc.array(fc.tuple(principalIds, epochs), { minLength: 1, maxLength: 4 }),
  });
  const order = fc.array(fc.nat({ max: 63 }), { minLength: 12, maxLength: 24 });
  const property = fc.asyncProperty(statements, few, order, async (texts, made, indexes) => {
    const own = texts.map((text) => statementOf(text));
    const shared = principalOf("usr_1", own).policies;
    const pick = <T>(from: T[], index: number) => from[index % from.length] as T;
    for (const index of indexes) {
      const [id, epoch] = pick(made.callers, index >> 4);
      // Those to whom the same policies apply have them from one place.
      const principal = { ...principalOf(id, own, { epoch }), policies: shared };
      const how = pick(made.ways, index >> 2);
      const question = { ...pick(made.calls, index), circumstances: how, principal };
      const known = await decide(question, lookUpAt(epoch));
      expect(told(known)).toEqual(told(await decideAfresh(question, lookUpAt(epoch))));
    }
  });
  await fc.assert(property, { numRuns });
});

test("a decision is that of Cedar, asked once and told everything", minutes, async () => {
  const property = fc.asyncProperty(principalIds, statements, calls, async (id, texts, asked) => {
    const principal = principalOf(
      id,
      texts.map((text) => statementOf(text)),
    );
    for (const call of asked) {
      const question = { ...call, principal };
      const decided = await decide(question, lookUpAt(0));
      expect(told(decided)).toEqual(askedAtOnce(texts, question));
    }
  });
  await fc.assert(property, { numRuns });
});

/** Cedar's own answer, without anything of ours but the entities. */
function askedAtOnce(texts: string[], { principal, ...call }: Question) {
  const { id, apiKeyId, accountId } = principal;
  const { address, authentication, requestId, time } = call.circumstances;
  const uid = { type: id.startsWith("usr_") ? "User" : "ServiceAccount", id };
  const entity = (type: string, id: string) => ({ __entity: { type, id } });
  const about = [uid, call.resource, ...(apiKeyId ? [{ type: "ApiKey", id: apiKeyId }] : [])];
  const action = { type: "Action", id: call.action };
  const found = [
    entityOf(action, [{ type: "Action", id: call.permission }]),
    ...about.flatMap((each) => entitiesAt(0, each)),
  ];
  const entities = new Map(found.map((entity) => [JSON.stringify(entity.uid), entity]));
  const answer = cedar.isAuthorized({
    principal: uid,
    action,
    resource: call.resource,
    context: {
      authentication,
      requestId,
      time: { __extn: { fn: "datetime", arg: new Date(time).toISOString() } },
      ...(address && { address: { __extn: { fn: "ip", arg: address } } }),
      ...(apiKeyId && { apiKey: entity("ApiKey", apiKeyId) }),
      ...(accountId && { account: entity("Account", accountId) }),
    } as never,
    policies: { staticPolicies: Object.fromEntries(texts.map((text, i) => [`s${i}`, text])) },
    entities: [...entities.values()],
  });
  if (answer.type === "failure") throw new Error(answer.errors[0]?.message);
  const { decision, diagnostics } = answer.response;
  const text = (policyId: string) => texts[Number(policyId.slice(1))] as string;
  return {
    permitted: decision === "allow",
    statements: diagnostics.reason.map(text).sort(),
    broken: diagnostics.errors.map(({ policyId }) => text(policyId)).sort(),
  };
}

const universe = universeOf({});

test("whoever is given something can do no more than who gave it", minutes, async () => {
  const own = fc.array(statementParts(fc.constantFrom("permit", "permit", "forbid")), {
    minLength: 1,
    maxLength: 4,
  });
  const scene = own.chain((parts) =>
    fc.record({
      own: fc.constant(parts.map(textOf)),
      given: fc.array(
        fc
          .constantFrom(...parts)
          .chain(narrowerThan)
          .map(textOf),
        {
          minLength: 1,
          maxLength: 2,
        },
      ),
      binding: fc.subarray(parts.filter(({ effect }) => effect === "forbid").map(textOf)),
      giver: principalIds,
      holder: principalIds,
      limit: fc.option(limits, { freq: 3 }),
      ownLimit: fc.option(limits, { freq: 3 }),
      calls: fc.array(anyCall, { minLength: 60, maxLength: 60 }),
    }),
  );
  let used = 0;
  const property = fc.asyncProperty(scene, async ({ calls, ...made }) => {
    const giver = principalOf(
      made.giver,
      made.own.map((text) => statementOf(text)),
      { limit: made.ownLimit },
    );
    const grant = {
      statements: made.given.map((text) => statementOf(text)),
      binding: made.binding.map((text) => statementOf(text)),
      limit: made.limit && new Set(made.limit),
      holderId: undefined,
    };
    fc.pre(isCovered(giver, grant));
    const held = [...grant.statements.filter((given) => !forbids(given)), ...grant.binding];
    const holder = principalOf(made.holder, held, { limit: made.limit });
    for (const call of calls) {
      if (!(await isAdmitted({ ...call, principal: holder }))) continue;
      used++;
      expect(await couldAllow(giver, call)).toBe(true);
    }
  });
  await fc.assert(property, { numRuns, maxSkipsPerRun: 1_000 });
  // Else nothing was shown.
  expect(used).toBeGreaterThan(numRuns / 4);
});

function isCovered(giver: Principal, grant: Parameters<typeof ensureCovers>[1]): boolean {
  try {
    ensureCovers(giver, grant, universe);
    return true;
  } catch {
    return false;
  }
}

/** Whether a giver may do something itself, where what forbids it is not its own to decide on. */
async function couldAllow(giver: Principal, call: Asked): Promise<boolean> {
  if (!isWithin(giver.permissionLimit, ...groupsOfAction(call.action, universe))) return false;
  const own = giver.policies.statements;
  const counting = isAdministrator(giver) ? own.filter((s: Statement) => !forbids(s)) : own;
  return permits(principalOf(giver.id, counting), call);
}
