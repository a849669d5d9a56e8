import { afterAll, beforeAll, describe, test } from "vitest";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { Actors, type TestBot, type TestUser } from "../harness/actors.ts";
import { TestService } from "../harness/service.ts";

// Nobody gives, or takes for themselves, what they do not have.

let service: TestService;
let make: Actors;

const everything = "permit (principal, action, resource);";

/** May manage all that says who may do what, and read; nothing else. */
const managing = [
  "Users.write",
  "Groups.write",
  "Policies.write",
  "PolicySchemas.write",
  "ServiceAccounts.write",
  "ApiKeys.write",
  "ServiceAccounts.read",
];

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
});
afterAll(() => service[Symbol.asyncDispose]());

const refuses = (attempt: () => Promise<unknown>) => make.refuses(attempt);

describe("who manages access, and may do nothing else, gives no more", () => {
  let manager: TestUser | TestBot;
  let strong: TestBot;
  let boss: TestUser;
  let disabledKeyId: string;
  let rotatedKeyId: string;
  let narrowKeyId: string;
  let disabledBotId: string;
  let deletedBotId: string;
  let disabledBossId: string;
  let invitedBossId: string;
  let weakId: string;
  let weakUserId: string;
  let adminsId: string;
  let groupId: string;
  let everythingId: string;
  let ownPolicyId: string;

  beforeAll(async () => {
    const { admin } = service;
    strong = await make.bot({ permissions: ["*"] });
    disabledKeyId = (await make.withKey(strong.id)).key.id;
    rotatedKeyId = (await make.withKey(strong.id)).key.id;
    narrowKeyId = (await make.withKey(strong.id, { permissions: [] })).key.id;
    await make.disableKey({ apiKeyId: disabledKeyId });
    await admin.apiKeys.rotate({ apiKeyId: rotatedKeyId });
    disabledBotId = (await make.bot({ permissions: ["*"] })).id;
    await admin.serviceAccounts.disable({ serviceAccountId: disabledBotId });
    deletedBotId = (await make.bot({ policies: [administratorPolicyId] })).id;
    await admin.serviceAccounts.delete({ serviceAccountId: deletedBotId });
    boss = await make.user({ policies: [administratorPolicyId] });
    disabledBossId = (await make.user({ permissions: ["*"] })).id;
    await admin.users.disable({ userId: disabledBossId });
    adminsId = await make.group({ policies: [administratorPolicyId] });
    invitedBossId = (await make.invited()).id;
    await admin.groups.addMember({ groupId: adminsId, memberId: invitedBossId });
    weakId = (await make.bot()).id;
    weakUserId = (await make.user()).id;
    groupId = await make.group();
    everythingId = await make.policy(everything);
    ownPolicyId = await make.policy(
      'permit (principal, action == Action::"GetServiceAccount", resource);',
    );
  });

  const attempts: Record<string, () => Promise<unknown>> = {
    "AddGroupMember of itself": () => addToAdmins(manager.id),
    "AddGroupMember of a service account": () => addToAdmins(weakId),
    "AddGroupMember of a user": () => addToAdmins(weakUserId),
    "AttachPolicy to itself": () => attachEverything(manager.id),
    "AttachPolicy to a user": () => attachEverything(weakUserId),
    "AttachPolicy to a service account": () => attachEverything(weakId),
    "AttachPolicy to a group": () => attachEverything(groupId),
    "AttachPolicy to an account": () => attachEverything("acc-123"),
    "AttachPolicy to the organization": () => attachEverything(service.organizationId),
    "AttachPolicy of one that comes with the product": () =>
      manager.client.policies.attach({ policyId: administratorPolicyId, targetId: manager.id }),
    CreatePolicy: () => manager.client.policies.create({ name: "More", text: everything }),
    "CreatePolicy that forbids too": () =>
      manager.client.policies.create({
        name: "More",
        text: `forbid (principal, action, resource);\npermit (principal, action == Action::"ListAuditEvents", resource);`,
      }),
    "UpdatePolicy of one that it is held to": () =>
      manager.client.policies.update({ policyId: ownPolicyId, text: everything }),
    "UpdateServiceAccount of itself": () => permit(manager.id, ["*"]),
    "UpdateServiceAccount of another": () => permit(weakId, ["Organizations.write"]),
    "UpdateServiceAccount among what it has": () => permit(weakId, [...managing, "Accounts.write"]),
    CreateServiceAccount: () =>
      manager.client.serviceAccounts.create({
        accountId: "acc-123",
        name: "More",
        permissions: ["AuditEvents.read"],
      }),
    CreateUser: () =>
      manager.client.users.create({ email: "more@example.com", permissions: ["Accounts.write"] }),
    "UpdateUser's permissions": () =>
      manager.client.users.update({ userId: weakUserId, permissions: ["*"] }),
    "UpdateUser's email of an administrator": () =>
      manager.client.users.update({ userId: boss.id, email: "mine@example.com" }),
    "InviteUser of an administrator": () => manager.client.users.invite({ userId: boss.id }),
    "InviteUser of one who is to be an administrator": () =>
      manager.client.users.invite({ userId: invitedBossId }),
    "EnableUser of an administrator": () => manager.client.users.enable({ userId: disabledBossId }),
    EnableServiceAccount: () =>
      manager.client.serviceAccounts.enable({ serviceAccountId: disabledBotId }),
    UndeleteServiceAccount: () =>
      manager.client.serviceAccounts.undelete({ serviceAccountId: deletedBotId }),
    IssueApiKey: () => manager.client.apiKeys.issue({ serviceAccountId: strong.id }),
    "IssueApiKey with a limit": () =>
      manager.client.apiKeys.issue({
        serviceAccountId: strong.id,
        permissions: ["ApiKeys.write", "Allowlists.write"],
      }),
    RotateApiKey: () => manager.client.apiKeys.rotate({ apiKeyId: strong.key.id }),
    EnableApiKey: () => manager.client.apiKeys.enable({ apiKeyId: disabledKeyId }),
    "UpdateApiKey's limit": () =>
      manager.client.apiKeys.update({ apiKeyId: narrowKeyId, permissions: ["Accounts.write"] }),
    "UpdateApiKey without a limit": () =>
      manager.client.apiKeys.update({ apiKeyId: narrowKeyId, permissions: null }),
    "UpdateApiKey's end": () =>
      manager.client.apiKeys.update({
        apiKeyId: strong.key.id,
        expireTime: new Date(Date.now() + 86_400_000),
      }),
    "UpdateApiKey's overlap": () =>
      manager.client.apiKeys.update({
        apiKeyId: rotatedKeyId,
        retireTime: new Date(Date.now() + 86_400_000),
      }),
    UpdatePolicySchema: () => manager.client.policies.updateSchema({ applicationText: "" }),
  };

  const addToAdmins = (memberId: string) =>
    manager.client.groups.addMember({ groupId: adminsId, memberId });
  const attachEverything = (targetId: string) =>
    manager.client.policies.attach({ policyId: everythingId, targetId });
  const permit = (serviceAccountId: string, permissions: string[]) =>
    manager.client.serviceAccounts.update({ serviceAccountId, permissions });

  const kinds: Record<string, () => Promise<TestUser | TestBot>> = {
    "a service account, by permissions": () => make.bot({ permissions: managing }),
    "a user, by a policy": async () =>
      make.user({
        policies: [
          await make.policy(
            `permit (principal, action in [${managing.map((name) => `Action::"${name}"`)}], resource);`,
          ),
        ],
      }),
  };

  describe.each(Object.keys(kinds))("%s", (kind) => {
    beforeAll(async () => {
      manager = (await kinds[kind]?.()) as TestUser | TestBot;
      await make.attach(ownPolicyId, manager.id);
    });
    const fitting = Object.keys(attempts).filter(
      (name) => kind.startsWith("a service") || name !== "UpdateServiceAccount of itself",
    );
    test.each(fitting)("by %s", (name) => refuses(attempts[name] as () => Promise<unknown>));
  });
});

describe("whoever is bound by a forbid does not take it off", () => {
  const text = 'forbid (principal, action == Action::"GetAccount", resource);';
  const both = `${text}\npermit (principal, action == Action::"GetServiceAccount", resource);`;
  let bound: TestBot;
  let boundUser: TestUser;
  let policyId: string;
  let groupId: string;

  beforeAll(async () => {
    policyId = await make.policy(both);
    bound = await make.bot({ permissions: [...managing, "Accounts.read"], policies: [policyId] });
    const group = { policies: [await make.policy(text)], members: [bound.id] };
    groupId = await make.group(group);
    boundUser = await make.user({ permissions: managing });
    await service.admin.groups.addMember({ groupId, memberId: boundUser.id });
  });

  const attempts: Record<string, () => Promise<unknown>> = {
    "DetachPolicy from itself": () =>
      bound.client.policies.detach({ policyId, targetId: bound.id }),
    "RemoveGroupMember of itself": () =>
      bound.client.groups.removeMember({ groupId, memberId: bound.id }),
    "RemoveGroupMember of another": () =>
      bound.client.groups.removeMember({ groupId, memberId: boundUser.id }),
    DeleteGroup: () => bound.client.groups.delete({ groupId }),
    "UpdatePolicy without it": () =>
      bound.client.policies.update({
        policyId,
        text: 'permit (principal, action == Action::"GetServiceAccount", resource);',
      }),
    "UpdatePolicy with a condition on it": () =>
      bound.client.policies.update({
        policyId,
        text: both.replace(";", ' unless { context.authentication == "signature" };'),
      }),
    "giving what it is forbidden to another": () =>
      bound.client.serviceAccounts.create({
        accountId: "acc-123",
        name: "Free",
        permissions: ["Accounts.read"],
      }),
    "by a user, who has not what it forbids": () =>
      boundUser.client.groups.removeMember({ groupId, memberId: boundUser.id }),
  };
  test.each(Object.keys(attempts))("%s", (name) =>
    refuses(attempts[name] as () => Promise<unknown>),
  );

  test("an administrator may take it off", async () => {
    await service.admin.groups.removeMember({ groupId, memberId: boundUser.id });
    await service.admin.policies.detach({ policyId, targetId: bound.id });
  });

  test("so may who has what it forbids, and is not bound", async () => {
    const other = await make.bot({ policies: [policyId] });
    const free = await make.bot({ permissions: [...managing, "Accounts.read"] });
    await free.client.policies.detach({ policyId, targetId: other.id });
  });
});

describe("what is covered is given", () => {
  const scoped =
    'permit (principal, action in [Action::"ApiKeys.write"], resource in Account::"a");'.replace(
      '"a"',
      '"acc-123"',
    );
  let manager: TestBot;
  let policyId: string;

  beforeAll(async () => {
    policyId = await make.policy(scoped);
    const permissions = ["Policies.write", "Groups.write", "Users.write", "ServiceAccounts.write"];
    manager = await make.bot({ permissions, policies: [policyId] });
  });

  test.each([
    ["the same", scoped],
    [
      "one action of it",
      scoped.replace('in [Action::"ApiKeys.write"]', '== Action::"IssueApiKey"'),
    ],
    ["with a condition", scoped.replace(";", ' when { context.authentication == "signature" };')],
    ["of some principals only", scoped.replace("principal", "principal is ServiceAccount")],
    ["of what is of a type in it", scoped.replace("resource in", "resource is ServiceAccount in")],
    ["what forbids something", "forbid (principal, action, resource) when { resource is User };"],
  ])("by CreatePolicy and AttachPolicy: %s", async (name, text) => {
    const { id } = await manager.client.policies.create({ name: `Covered: ${name}`, text });
    const target = await make.bot();
    await manager.client.policies.attach({ policyId: id, targetId: target.id });
  });

  test("the policy that it holds itself is attached to each kind of target", async () => {
    const [user, bot, groupId] = [await make.user(), await make.bot(), await make.group()];
    const targets = [user.id, bot.id, groupId, "acc-123", service.organizationId, manager.id];
    for (const targetId of targets) await manager.client.policies.attach({ policyId, targetId });
    await manager.client.groups.addMember({ groupId, memberId: (await make.bot()).id });
    const { id: userId } = await manager.client.users.create({
      email: "covered@example.com",
      permissions: ["Users.write"],
    });
    await manager.client.users.invite({ userId });
    for (const targetId of [service.organizationId, "acc-123"]) {
      await service.admin.policies.detach({ policyId, targetId });
    }
  });

  test("a policy that permits and forbids is attached by whom it is attached to", async () => {
    const text = `${scoped}\nforbid (principal, action == Action::"IssueApiKey", resource);`;
    const mixed = await make.policy(text);
    const permissions = ["Policies.write"];
    const holder = await make.bot({ permissions, policies: [mixed] });
    const target = await make.bot();
    await holder.client.policies.attach({ policyId: mixed, targetId: target.id });
  });

  test("by UpdatePolicy, what is narrower than before", async () => {
    const { id } = await manager.client.policies.create({ name: "Narrowed", text: scoped });
    const text = scoped.replace(";", " when { context has address };");
    await manager.client.policies.update({ policyId: id, text });
  });

  test.each([
    ["without the scope", 'permit (principal, action in [Action::"ApiKeys.write"], resource);'],
    ["in another account", scoped.replace("acc-123", "acc-456")],
    [
      "in the organization",
      `permit (principal, action == Action::"IssueApiKey", resource in Organization::"org_1");`,
    ],
    [
      "of a type, wherever it is",
      'permit (principal, action == Action::"IssueApiKey", resource is ServiceAccount);',
    ],
    ["of another permission", scoped.replace("ApiKeys.write", "ApiKeys.read")],
  ])("but not %s", async (name, text) => {
    await refuses(() => manager.client.policies.create({ name: `Wider: ${name}`, text }));
  });

  test("an administrator gives everything", async () => {
    const boss = await make.bot({ policies: [administratorPolicyId] });
    const all = await boss.client.policies.create({ name: "All", text: everything });
    const { id } = await make.bot();
    await boss.client.policies.attach({ policyId: all.id, targetId: id });
    await boss.client.serviceAccounts.update({ serviceAccountId: id, permissions: ["*"] });
    await boss.client.apiKeys.issue({ serviceAccountId: id });
    await boss.client.policies.detach({ policyId: all.id, targetId: id });
  });
});

describe("a group that a policy names", () => {
  let groupId: string;
  let manager: TestBot;

  beforeAll(async () => {
    manager = await make.bot({ permissions: managing });
  });

  test("takes no member whom that would permit more: by the scope of the principal", async () => {
    groupId = await make.group();
    const text = `permit (principal in Group::"${groupId}", action, resource);`;
    const policyId = await make.policy(text, service.organizationId);
    await refuses(() => manager.client.groups.addMember({ groupId, memberId: manager.id }));
    await service.admin.policies.detach({ policyId, targetId: service.organizationId });
  });

  test("nor by a condition on the principal", async () => {
    groupId = await make.group();
    const text = `permit (principal, action == Action::"ListAuditEvents", resource) when { principal in Group::"${groupId}" };`;
    await make.policy(text, manager.id);
    await refuses(() => manager.client.groups.addMember({ groupId, memberId: manager.id }));
  });

  test("nor what others may then do something to: by the scope of the resource", async () => {
    groupId = await make.group();
    const strong = await make.bot({ permissions: ["*"] });
    await make.policy(
      `permit (principal, action == Action::"ListAllowlistEntries", resource in Group::"${groupId}");`,
      manager.id,
    );
    await refuses(() => manager.client.groups.addMember({ groupId, memberId: strong.id }));
  });

  test("nor of whom a policy speaks without its name", async () => {
    const { id: strongId } = await make.bot({ permissions: ["*"] });
    groupId = await make.group({ members: [strongId] });
    const by = await make.bot();
    const onMembers = "when { principal in resource }";
    await make.policy(
      `permit (principal, action == Action::"AddGroupMember", resource);
      permit (principal, action == Action::"DeleteGroup", resource) ${onMembers};`,
      by.id,
    );
    await refuses(() => by.client.groups.addMember({ groupId, memberId: by.id }));
  });

  test("lets no member go whom that would forbid less", async () => {
    const bot = await make.bot({ permissions: [...managing, "Accounts.read"] });
    groupId = await make.group({ members: [bot.id] });
    await make.policy(
      `forbid (principal in Group::"${groupId}", action == Action::"GetAccount", resource);`,
      bot.id,
    );
    await refuses(() => bot.client.groups.removeMember({ groupId, memberId: bot.id }));
    await refuses(() => bot.client.groups.delete({ groupId }));
  });
});
