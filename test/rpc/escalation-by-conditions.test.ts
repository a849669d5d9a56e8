import { afterAll, beforeAll, describe, test } from "vitest";
import { Actors, type TestBot } from "../harness/actors.ts";
import { TestService } from "../harness/service.ts";

// Who may do something only under conditions gives it only under the same, or more; and what means another
// thing for another principal, to nobody.

let service: TestService;
let make: Actors;
let named = 0;

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
});
afterAll(() => service[Symbol.asyncDispose]());

const refuses = (attempt: () => Promise<unknown>) => make.refuses(attempt);

const write = ({ client }: TestBot, text: string) =>
  client.policies.create({ name: `Written ${++named}`, text });

const permit = (conditions = "") =>
  `permit (principal, action in [Action::"Allowlists.write"], resource)${conditions};`;
const managing = ["Policies.write", "Groups.write", "ServiceAccounts.write", "ApiKeys.write"];
const from = (network: string) =>
  ` when { context has address && context.address.isInRange(ip("${network}")) }`;

/** Who may manage access, and besides what a policy says. */
async function holderOf(text: string) {
  const policyId = await make.policy(text);
  return { policyId, by: await make.bot({ permissions: managing, policies: [policyId] }) };
}

describe("who may only from some addresses", () => {
  const here = from("127.0.0.0/8");
  let by: TestBot;
  let policyId: string;
  beforeAll(async () => {
    ({ by, policyId } = await holderOf(permit(here)));
  });

  test.each([
    ["without the condition", permit()],
    ["from other addresses", permit(from("0.0.0.0/0"))],
    ["with the opposite", permit(here.replace("when", "unless"))],
    ["with a condition of another kind", permit(' when { context.authentication == "signature" }')],
    ["with the condition or another one", permit(here.replace("when { ", "when { true || "))],
  ])("writes nothing %s", (_, text) => refuses(() => write(by, text)));

  test.each([
    ["with the same condition", permit(here)],
    ["with more conditions", permit(`${here} unless { resource is Account }`)],
    ["with conditions in another order", permit(` unless { resource is Account }${here}`)],
  ])("but writes and attaches what is %s", async (_, text) => {
    const { id } = await write(by, text);
    await by.client.policies.attach({ policyId: id, targetId: (await make.bot()).id });
  });

  test("gives no permissions, which know no conditions", async () => {
    const permissions = ["Allowlists.write"];
    const { id: serviceAccountId } = await make.bot();
    const { serviceAccounts } = by.client;
    const created = { accountId: "acc-123", name: "Free", permissions };
    await refuses(() => serviceAccounts.create(created));
    await refuses(() => serviceAccounts.update({ serviceAccountId, permissions }));
  });

  test("issues keys of who is held to the same, and not of who is not", async () => {
    const same = await make.bot({ policies: [policyId] });
    await by.client.apiKeys.issue({ serviceAccountId: same.id });
    await by.client.apiKeys.rotate({ apiKeyId: same.key.id });
    const free = await make.bot({ permissions: ["Allowlists.write"] });
    await refuses(() => by.client.apiKeys.issue({ serviceAccountId: free.id }));
    await refuses(() => by.client.apiKeys.rotate({ apiKeyId: free.key.id }));
  });

  test("makes nobody a member of a group that is not held to it", async () => {
    const groupId = await make.group({ policies: [await make.policy(permit())] });
    await refuses(() => by.client.groups.addMember({ groupId, memberId: by.id }));
  });
});

describe("who may in its own account only", () => {
  beforeAll(async () => {
    await service.admin.accounts.create({ accountId: "acc-456" });
  });

  const personal = {
    "by the account of the call": " when { context has account && resource in context.account }",
    "by the principal": " when { principal is ServiceAccount && resource in principal }",
    "by a record that has the context": " when { {of: context}.of has account }",
    "by a group that it is in": ' when { principal in Group::"grp_1" }',
    "by its key": " when { context has apiKey }",
  };
  test.each(Object.entries(personal))("gives that to nobody: %s", async (_, condition) => {
    const { by, policyId } = await holderOf(permit(condition));
    const { id: targetId } = await make.bot({}, "acc-456");
    await refuses(() => by.client.policies.attach({ policyId, targetId }));
    await refuses(() => write(by, permit(condition)));
  });

  test("nor what it may as one of those whom a policy names", async () => {
    const { by } = await holderOf(
      permit().replace("principal", 'principal == ServiceAccount::"svc_1"'),
    );
    await refuses(() => write(by, permit()));
  });

  test("but what it is named by itself", async () => {
    const by = await make.bot({ permissions: managing });
    const scope = `principal == ServiceAccount::"${by.id}"`;
    await make.policy(permit().replace("principal", scope), service.organizationId);
    await write(by, permit());
  });
});

test("a service account does not give what takes a session, which it never has", async () => {
  const text = permit(' when { context.authentication == "session" }');
  const { by, policyId } = await holderOf(text);
  const { id: targetId } = await make.user();
  await refuses(() => by.client.policies.attach({ policyId, targetId }));
});

describe("what forbids something to the giver", () => {
  const forbid = 'forbid (principal, action == Action::"CreateAllowlistEntry", resource)';

  test("forbids it to whom it gives to, or it is not given", async () => {
    const { by, policyId } = await holderOf(`${permit()}\n${forbid};`);
    const { id: targetId } = await make.bot();
    await refuses(() => write(by, permit()));
    const everybody = await make.policy(`${forbid};`, by.id, service.organizationId);
    await service.admin.policies.detach({ policyId, targetId: by.id });
    await make.policy(permit(), by.id);
    const { id } = await write(by, permit());
    await by.client.policies.attach({ policyId: id, targetId });
    await service.admin.policies.detach({ policyId: everybody, targetId: service.organizationId });
  });

  test("is not enough where it means another thing for another one", async () => {
    const text = `${forbid} when { context has account && context.account == Account::"acc-123" };`;
    await make.policy(text, service.organizationId);
    const { by } = await holderOf(permit());
    await refuses(() => write(by, permit()));
  });
});

describe("of an application's actions", () => {
  beforeAll(async () => {
    await service.admin.policies.updateSchema({
      applicationText: `namespace Shop {
        entity Invoice in [Account];
        action manage appliesTo {
          principal: [User, ServiceAccount], resource: [Invoice], context: { amount: Long }
        };
        action refund, cancel in [manage] appliesTo {
          principal: [User, ServiceAccount], resource: [Invoice], context: { amount: Long }
        };
      }`,
    });
  });

  const shop = (scope: string, conditions = "") =>
    `permit (principal, action ${scope}, resource)${conditions};`;

  test("who may do all of a group gives each of it", async () => {
    const { by } = await holderOf(shop('in Shop::Action::"manage"'));
    await write(by, shop('== Shop::Action::"refund"'));
    await write(by, shop('in [Shop::Action::"cancel", Shop::Action::"manage"]'));
  });

  test("who may do what a group is called by gives nothing of the group", async () => {
    const { by } = await holderOf(shop('== Shop::Action::"manage"'));
    await write(by, shop('== Shop::Action::"manage"'));
    await refuses(() => write(by, shop('== Shop::Action::"refund"')));
    await refuses(() => write(by, shop('in Shop::Action::"manage"')));
  });

  test("who may up to an amount gives no more, however large it is", async () => {
    const upTo = (amount: string) => ` when { context.amount <= ${amount} }`;
    const { by } = await holderOf(shop('== Shop::Action::"refund"', upTo("9007199254740992")));
    const wider = shop('== Shop::Action::"refund"', upTo("9007199254740993"));
    await refuses(() => write(by, wider));
  });
});
