import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { Actors, type TestBot } from "../harness/actors.ts";
import { TestService } from "../harness/service.ts";

// A key gives no more than it may itself, nothing to what it is held to and others are not, and none of
// what conditions on keys would permit to another one.

let service: TestService;
let make: Actors;

const inAnHour = () => new Date(Date.now() + 3_600_000);

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
});
afterAll(() => service[Symbol.asyncDispose]());

const refuses = (attempt: () => Promise<unknown>) => make.refuses(attempt);

/** What takes power to give; each is a small one, which a key without limits may give. */
interface Targets {
  botId: string;
  userId: string;
  disabledUserId: string;
  groupId: string;
  forbiddenGroupId: string;
  permitting: string;
  forbidding: string;
  mixed: string;
}

let targets: Targets;

async function newTargets(): Promise<Targets> {
  const permit = 'permit (principal, action == Action::"ListAuditEvents", resource);';
  const forbid = 'forbid (principal, action == Action::"ListAuditEvents", resource);';
  const permitting = await make.policy(permit);
  const forbidding = await make.policy(forbid);
  const { id: botId } = await make.bot({ policies: [forbidding] });
  const { id: disabledUserId } = await make.user({ permissions: ["AuditEvents.read"] });
  await service.admin.users.disable({ userId: disabledUserId });
  return {
    botId,
    userId: (await make.user({ permissions: ["AuditEvents.read"] })).id,
    disabledUserId,
    groupId: await make.group({ policies: [permitting] }),
    forbiddenGroupId: await make.group({ policies: [forbidding], members: [botId] }),
    permitting,
    forbidding,
    mixed: await make.policy(`${permit}\n${forbid}`, botId),
  };
}

/** By each RPC that gives power to what no limit of the calling key holds for. */
const lasting: Record<string, (by: TestBot) => Promise<unknown>> = {
  "AttachPolicy to a user": ({ client }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: targets.userId }),
  "AttachPolicy to a service account": ({ client }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: targets.botId }),
  "AttachPolicy to its own service account": ({ client, id }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: id }),
  "AttachPolicy to a group": ({ client }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: targets.groupId }),
  "AttachPolicy to an account": ({ client }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: "acc-123" }),
  "AttachPolicy to the organization": ({ client }) =>
    client.policies.attach({ policyId: targets.permitting, targetId: service.organizationId }),
  "DetachPolicy of what forbids": ({ client }) =>
    client.policies.detach({ policyId: targets.forbidding, targetId: targets.botId }),
  "UpdatePolicy with more": ({ client }) =>
    client.policies.update({
      policyId: targets.permitting,
      text: 'permit (principal, action in [Action::"Accounts.read"], resource);',
    }),
  "UpdatePolicy without a forbid": ({ client }) =>
    client.policies.update({
      policyId: targets.mixed,
      text: 'permit (principal, action == Action::"ListAuditEvents", resource);',
    }),
  AddGroupMember: ({ client }) =>
    client.groups.addMember({ groupId: targets.groupId, memberId: targets.userId }),
  "RemoveGroupMember from a group that forbids": ({ client }) =>
    client.groups.removeMember({ groupId: targets.forbiddenGroupId, memberId: targets.botId }),
  "DeleteGroup that forbids": ({ client }) =>
    client.groups.delete({ groupId: targets.forbiddenGroupId }),
  CreateUser: ({ client }) =>
    client.users.create({ email: "lasting@example.com", permissions: ["AuditEvents.read"] }),
  "UpdateUser's permissions": ({ client }) =>
    client.users.update({
      userId: targets.userId,
      permissions: ["AuditEvents.read", "Accounts.read"],
    }),
  InviteUser: ({ client }) => client.users.invite({ userId: targets.userId }),
  EnableUser: ({ client }) => client.users.enable({ userId: targets.disabledUserId }),
  UpdatePolicySchema: ({ client }) =>
    client.policies.updateSchema({ applicationText: "namespace Shop { entity Invoice; }" }),
};

const kinds: Record<string, (id: string) => Promise<TestBot>> = {
  "that ends": (id) => make.withKey(id, { expireTime: inAnHour() }),
  "of some addresses only": async (id) => {
    const bot = await make.withKey(id);
    const { admin } = service;
    await admin.allowlists.add({ resourceId: bot.key.id, cidr: "127.0.0.1/32" });
    return bot;
  },
  "of a rate": (id) => make.withKey(id, { rateLimit: { requestsPerSecond: 1_000, burst: 1_000 } }),
};

describe.each(Object.keys(kinds))("a key %s gives no power that lasts", (kind) => {
  let by: TestBot;
  beforeAll(async () => {
    targets = await newTargets();
    const { id } = await make.bot({ permissions: ["*"] });
    by = (await kinds[kind]?.(id)) as TestBot;
  });
  test.each(Object.keys(lasting))("by %s", (name) => refuses(async () => lasting[name]?.(by)));

  test("but gives to its own like what it is held to, and takes away", async () => {
    const { client, id } = by;
    await client.policies.create({
      name: `Made by a key ${kind}`,
      text: 'permit (principal, action == Action::"GetAccount", resource);',
    });
    await client.apiKeys.issue({ serviceAccountId: id });
    await client.policies.attach({ policyId: targets.forbidding, targetId: targets.botId });
    await client.users.disable({ userId: targets.disabledUserId });
  });
});

test("a key without limits gives all of it", async () => {
  targets = await newTargets();
  const by = await make.bot({ permissions: ["*"] });
  for (const [name, give] of Object.entries(lasting)) {
    expect(await give(by).then(() => "given", String), name).toBe("given");
  }
});

describe("a key with a permission limit gives nothing beyond it", () => {
  const limit = ["Policies.write", "Groups.write", "Users.write", "ServiceAccounts.write"];
  let by: TestBot;
  let policyId: string;
  let groupId: string;
  let userId: string;
  let mixed: string;

  beforeAll(async () => {
    const { id } = await make.bot({ permissions: ["*"] });
    by = await make.withKey(id, {
      permissions: [...limit, "PolicySchemas.write", "ApiKeys.write"],
    });
    const permit = 'permit (principal, action == Action::"ListAuditEvents", resource);';
    policyId = await make.policy(permit);
    groupId = await make.group({ policies: [policyId] });
    userId = (await make.user({ permissions: ["AuditEvents.read"] })).id;
    mixed = await make.policy('forbid (principal, action == Action::"ListAuditEvents", resource);');
    await make.attach(mixed, userId);
  });

  const attempts: Record<string, () => Promise<unknown>> = {
    CreatePolicy: () =>
      by.client.policies.create({
        name: "Beyond",
        text: 'permit (principal, action in [Action::"Accounts.read"], resource);',
      }),
    AttachPolicy: () => by.client.policies.attach({ policyId, targetId: by.id }),
    "AttachPolicy of what comes with the product": () =>
      by.client.policies.attach({ policyId: administratorPolicyId, targetId: userId }),
    DetachPolicy: () => by.client.policies.detach({ policyId: mixed, targetId: userId }),
    UpdatePolicy: () =>
      by.client.policies.update({
        policyId,
        text: 'permit (principal, action == Action::"UpdateOrganization", resource);',
      }),
    "AddGroupMember of its service account": () =>
      by.client.groups.addMember({ groupId, memberId: by.id }),
    UpdateServiceAccount: () =>
      by.client.serviceAccounts.update({ serviceAccountId: by.id, permissions: ["*"] }),
    CreateServiceAccount: () =>
      by.client.serviceAccounts.create({
        accountId: "acc-123",
        name: "Beyond",
        permissions: ["AuditEvents.read"],
      }),
    InviteUser: () => by.client.users.invite({ userId }),
    "IssueApiKey of its service account": () =>
      by.client.apiKeys.issue({ serviceAccountId: by.id, permissions: ["*"] }),
    "UpdateApiKey of itself": () =>
      by.client.apiKeys.update({ apiKeyId: by.key.id, permissions: null }),
    UpdatePolicySchema: () => by.client.policies.updateSchema({ applicationText: "" }),
  };
  test.each(Object.keys(attempts))("by %s", (name) =>
    refuses(attempts[name] as () => Promise<unknown>),
  );

  test("but what is within it", async () => {
    const { id } = await make.bot();
    await by.client.serviceAccounts.update({ serviceAccountId: id, permissions: limit });
    const text = 'permit (principal, action in [Action::"Users.write"], resource);';
    const made = await by.client.policies.create({ name: "Within", text });
    await by.client.policies.attach({ policyId: made.id, targetId: id });
  });
});

describe("where conditions look at keys", () => {
  const onLabel = `when { context has apiKey && context.apiKey.hasTag("env") && context.apiKey.getTag("env") == "production" }`;
  const permissions = ["ApiKeys.write"];

  test("nobody labels a key so that it may more", async () => {
    const policyId = await make.policy(`permit (principal, action, resource) ${onLabel};`);
    const by = await make.bot({ permissions, policies: [policyId] });
    const labels = { env: "production" };
    const { id: serviceAccountId, key } = by;
    await refuses(() => by.client.apiKeys.issue({ serviceAccountId, labels }));
    await refuses(() => by.client.apiKeys.update({ apiKeyId: key.id, labels }));
    const other = await make.withKey(by.id);
    await refuses(() => by.client.apiKeys.update({ apiKeyId: other.key.id, labels }));
    await by.client.apiKeys.issue({ serviceAccountId, labels: {} });
  });

  test("nor so that less is forbidden to it", async () => {
    const policyId = await make.policy(
      `forbid (principal, action == Action::"GetAccount", resource) ${onLabel};`,
    );
    const wanted = { permissions: [...permissions, "Accounts.read"], policies: [policyId] };
    const { id: serviceAccountId } = await make.bot(wanted);
    const by = await make.withKey(serviceAccountId, { labels: { env: "production" } });
    await refuses(() => by.client.apiKeys.update({ apiKeyId: by.key.id, labels: {} }));
    await refuses(() => by.client.apiKeys.issue({ serviceAccountId, labels: {} }));
  });

  test("a key that a policy names makes none that it does not name", async () => {
    const by = await make.bot({ permissions: [...permissions, "Accounts.read"] });
    await make.policy(
      `forbid (principal, action == Action::"GetAccount", resource)
        when { context has apiKey && context.apiKey == ApiKey::"${by.key.id}" };`,
      by.id,
    );
    await refuses(() => by.client.apiKeys.issue({ serviceAccountId: by.id }));
    await refuses(() => by.client.apiKeys.rotate({ apiKeyId: by.key.id }));
  });

  test("a key gives no power back to one that policies permit more", async () => {
    const by = await make.bot({ permissions });
    const named = await make.withKey(by.id);
    await make.disableKey({ apiKeyId: named.key.id });
    await make.policy(
      `permit (principal, action, resource)
        when { context has apiKey && context.apiKey == ApiKey::"${named.key.id}" };`,
      by.id,
    );
    await refuses(() => by.client.apiKeys.enable({ apiKeyId: named.key.id }));
  });

  test("nobody labels a key so that more may be done to it", async () => {
    const onResource = `when { resource.hasTag("env") && resource.getTag("env") == "test" }`;
    const policyId = await make.policy(
      `permit (principal, action == Action::"UpdateApiKey", resource);
      permit (principal, action == Action::"RevokeApiKey", resource) ${onResource};`,
    );
    const by = await make.bot({ policies: [policyId] });
    const { key } = await make.bot({ permissions: ["*"] });
    const labels = { env: "test" };
    await refuses(() => by.client.apiKeys.update({ apiKeyId: key.id, labels }));
  });
});
