import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AccessService } from "../../gen/pdaas/v1/access_service_pb.ts";
import { Actors, type TestBot } from "../harness/actors.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

// What a back end says of its resources comes from its own callers in the end: whatever it is, it is answered
// or refused, changes nobody else's answer, and passes for nothing that is the service's own.

let service: TestService;
let make: Actors;
/** Whom the questions are about. */
let subject: TestBot;
let policyId: string;
let asking: Transport;

const refund = 'Shop::Action::"refund"';

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  await service.admin.policies.updateSchema({
    applicationText: `namespace Shop {
      entity Store in [Account, Store] { open: Bool };
      entity Invoice in [Store, Account] {
        amount: Long, rate?: decimal, from?: ipaddr, due?: datetime, owner?: ServiceAccount,
        lines?: Set<{ sku: String, count: Long }>, deep?: { a: { b: { c: String } } }
      } tags String;
      action refund appliesTo {
        principal: [User, ServiceAccount], resource: [Invoice], context: { reason?: String }
      };
    }`,
  });
  policyId = await make.policy(
    `permit (principal, action == ${refund}, resource) when { resource.amount <= 100 };
    permit (principal, action == ${refund}, resource) when { resource has owner && resource.owner == principal };
    permit (principal, action == ${refund}, resource in Account::"acc-456");
    permit (principal, action == ${refund}, resource) when { principal in Group::"grp_1" };
    permit (principal, action == Action::"GetAccount", resource) when { context has apiKey };`,
  );
  subject = await make.bot({ policies: [policyId] });
  const { key } = await make.bot({ permissions: ["Access.read"] });
  const signing = { ...key, apiKeyId: key.id };
  asking = signedTransport("connect-node Connect JSON", service, signing);
});
afterAll(() => service[Symbol.asyncDispose]());

interface Hostile {
  attributes?: unknown;
  parents?: unknown[];
  entities?: unknown[];
  context?: unknown;
  resource?: unknown;
}

const reference = (type: string, id: string) => ({ type, id });
const invoice = reference("Shop::Invoice", "1");
const entity = (type: string, id: string, attributes: unknown, parents: unknown[] = []) => {
  return { reference: reference(type, id), attributes, parents };
};

/** Asks as a program of its own would, whatever the SDK makes of it. */
async function ask({ attributes, parents = [], entities, context, resource }: Hostile) {
  const own = entity("Shop::Invoice", "1", attributes ?? { amount: 1_000 }, parents);
  const check = {
    principalId: subject.id,
    action: refund,
    resource: resource ?? invoice,
    entities: entities ?? [own],
    ...(context !== undefined && { context }),
  };
  const { decision } = await createClient(AccessService, asking).authorize({
    check: check as never,
  });
  return decision?.permitted;
}

/** Holds that calls are answered as ever: of whom was asked about, and of somebody new. */
async function servesEverybody(): Promise<void> {
  await subject.client.accounts.get({ accountId: "acc-123" });
  const other = await make.bot({ policies: [policyId] });
  await other.client.accounts.get({ accountId: "acc-123" });
  expect(await ask({ attributes: { amount: 100 } })).toBe(true);
  expect(await ask({ attributes: { amount: 101 } })).toBe(false);
}

const nested = (depth: number, inner: unknown): unknown =>
  depth === 0 ? inner : { a: nested(depth - 1, inner) };
const inLists = (depth: number): unknown => (depth === 0 ? 1 : [inLists(depth - 1)]);
const many = <T>(count: number, one: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => one(i));
const amount = 1_000;
const fn = (name: string, arg: unknown) => ({ __extn: { fn: name, arg } });
const to = (type: string, id: string) => ({ __entity: { type, id } });

describe("is refused:", () => {
  const refused: Record<string, () => Hostile> = {
    "an attribute of another type": () => ({ attributes: { amount: "1" } }),
    "a fraction": () => ({ attributes: { amount: 1.5 } }),
    "a number beyond those that are exact": () => ({ attributes: { amount: 2 ** 60 } }),
    "no attributes": () => ({ attributes: {} }),
    "an attribute that is not declared": () => ({ attributes: { amount, more: 1 } }),
    null: () => ({ attributes: { amount: null } }),
    "a decimal that is none": () => ({ attributes: { amount, rate: "1.23456" } }),
    "an address that is none": () => ({ attributes: { amount, from: "::ffff:192.0.2.1" } }),
    "a time that is none": () => ({ attributes: { amount, due: "yesterday" } }),
    "an escape to an entity of another type": () => ({
      attributes: { amount, owner: to("User", "usr_1") },
    }),
    "an escape where a text is expected": () => ({ attributes: { amount, deep: to("User", "x") } }),
    "an escape to an unknown function": () => ({ attributes: { amount: fn("system", "1") } }),
    "an escape to an unknown value": () => ({ attributes: { amount: fn("unknown", "x") } }),
    "an escape to an expression": () => ({ attributes: { amount: { __expr: "1 + 1" } } }),
    "an escape in an escape": () => ({
      attributes: { amount, rate: fn("decimal", fn("decimal", "1.0")) },
    }),
    "records that are too deep": () => ({ attributes: { amount, deep: nested(9, "x") } }),
    "lists that are too deep": () => ({ attributes: { amount, lines: inLists(20) } }),
    "an entity of the service's": () => ({
      entities: [entity("Group", "grp_1", {}), entity("Shop::Invoice", "1", { amount })],
    }),
    "the subject itself, in a group": () => ({
      entities: [
        entity("ServiceAccount", subject.id, {}, [reference("Group", "grp_1")]),
        entity("Shop::Invoice", "1", { amount }),
      ],
    }),
    "an account, in another": () => ({
      entities: [
        entity("Account", "acc-123", {}, [reference("Account", "acc-456")]),
        entity("Shop::Invoice", "1", { amount }, [reference("Account", "acc-123")]),
      ],
    }),
    "an action": () => ({
      entities: [entity("Shop::Action", "refund", {}, [reference("Shop::Action", "all")])],
    }),
    "an entity of a namespace whose name only begins alike": () => ({
      entities: [entity("Shopping::Invoice", "1", {})],
    }),
    "an entity of a type that is not declared": () => ({
      entities: [entity("Shop::Order", "1", {})],
    }),
    "a parent that the type cannot have": () => ({ parents: [reference("User", "usr_1")] }),
    "a parent that is the subject": () => ({ parents: [reference("ServiceAccount", subject.id)] }),
    "a circle of parents": () => ({
      entities: [
        entity("Shop::Invoice", "1", { amount }, [reference("Shop::Store", "a")]),
        entity("Shop::Store", "a", { open: true }, [reference("Shop::Store", "b")]),
        entity("Shop::Store", "b", { open: true }, [reference("Shop::Store", "a")]),
      ],
    }),
    "what is in itself": () => ({
      entities: [entity("Shop::Store", "a", { open: true }, [reference("Shop::Store", "a")])],
    }),
    "a context that is not declared": () => ({ context: { more: 1 } }),
    "a context of another type": () => ({ context: { reason: { __entity: invoice } } }),
    "a resource of another type": () => ({ resource: reference("Shop::Store", "a") }),
    "a resource of the service's": () => ({ resource: reference("Account", "acc-123") }),
    "more than 100 entities": () => ({
      entities: many(101, (i) => entity("Shop::Store", `${i}`, { open: true })),
    }),
    "more lines than anybody reads": () => ({
      attributes: { amount, lines: many(5_000, (i) => ({ sku: `${i}`, count: i })) },
    }),
    "a name of a type with more in it": () => ({ resource: reference('Shop::Invoice::"1"', "1") }),
  };
  test.each(Object.keys(refused))("%s", async (name) => {
    expect(await refusalOf(ask((refused[name] as () => Hostile)()))).toMatchObject({
      code: "invalid_argument",
      reason: "FIELD_INVALID",
    });
    await servesEverybody();
  });
});

describe("is answered, and permits nothing:", () => {
  const answered: Record<string, () => Hostile> = {
    "a resource that is not described": () => ({ entities: [] }),
    "an identifier with quotes": () => ({
      resource: reference("Shop::Invoice", '1" || true'),
      entities: [entity("Shop::Invoice", '1" || true', { amount })],
    }),
    "names that objects have": () => ({
      resource: reference("Shop::Invoice", "__proto__"),
      entities: [entity("Shop::Invoice", "__proto__", { amount })],
    }),
    "the same entity again, with another amount": () => ({
      entities: [
        entity("Shop::Invoice", "1", { amount }),
        entity("Shop::Invoice", "1", { amount: 1 }),
      ],
    }),
    "a large text": () => ({ context: { reason: "x".repeat(500_000) } }),
    "many lines": () => ({
      attributes: { amount, lines: many(500, (i) => ({ sku: `${i}`, count: i })) },
    }),
    "characters that are no text": () => ({ context: { reason: "a\0b\u2028\uFFFF" } }),
    "a long way up": () => ({
      entities: [
        entity("Shop::Invoice", "1", { amount }, [reference("Shop::Store", "0")]),
        ...many(99, (i) =>
          entity("Shop::Store", `${i}`, { open: true }, [reference("Shop::Store", `${i + 1}`)]),
        ),
      ],
    }),
    "each in all above it": () => ({
      entities: many(99, (i) =>
        entity(
          "Shop::Store",
          `${i}`,
          { open: true },
          many(20, (j) => reference("Shop::Store", `${i + j + 1}`)),
        ),
      ),
    }),
    "an owner who is somebody else": () => ({
      attributes: { amount, owner: to("ServiceAccount", "svc_1") },
    }),
  };
  test.each(Object.keys(answered))("%s", async (name) => {
    expect(await ask((answered[name] as () => Hostile)())).toBe(false);
    await servesEverybody();
  });
});

test("what forbids something counts, whatever an attribute is said to be", async () => {
  const text = `permit (principal, action == ${refund}, resource);
    forbid (principal, action == ${refund}, resource) when { resource.amount > 100 };`;
  const forbidding = await make.policy(text, subject.id);
  const larger = [101, fn("unknown", "x"), fn("decimal", "1.0"), to("Shop::Invoice", "1")];
  const answers: unknown[] = [];
  for (const large of larger) {
    answers.push(await ask({ attributes: { amount: large } }).catch(() => false));
  }
  await service.admin.policies.detach({ policyId: forbidding, targetId: subject.id });
  expect(answers).toEqual(larger.map(() => false));
});

test("what it may say, it says: of its owner, and of the account that it is in", async () => {
  const owner = to("ServiceAccount", subject.id);
  expect(await ask({ attributes: { amount, owner } })).toBe(true);
  expect(await ask({ parents: [reference("Account", "acc-456")] })).toBe(true);
  expect(await ask({ parents: [reference("Account", "acc-123")] })).toBe(false);
});
