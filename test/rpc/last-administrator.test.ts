import { Client } from "pdaas";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { Actors, type TestUser } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { TestService } from "../harness/service.ts";

// There is always a user who can administer the organization, and put right what went wrong with policies.

let service: TestService;
let organizations = 0;

/** The only administrator of an organization that nothing else was done in. */
let admin: Client;
let adminId: string;
let organizationId: string;
let make: Actors;

const lastAdministrator = { code: "failed_precondition", reason: "LAST_ADMINISTRATOR" };
const everything = "permit (principal, action, resource);";
const nothing = "forbid (principal, action, resource);";

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

beforeEach(async () => {
  const slug = `org-${organizations++}`;
  admin = new Client({
    baseUrl: service.httpUrl,
    ...(await addOrganization(service.database, slug)),
  });
  ({ id: adminId, organizationId } = await admin.whoAmI());
  make = new Actors(service, admin, slug);
});

/** Holds that an attempt is refused, leaves everything as it is, and the administrator able to act. */
async function refuses(attempt: () => Promise<unknown>, by = admin): Promise<void> {
  await make.refuses(attempt, lastAdministrator);
  await by.policies.list().page();
}

/** Another administrator, who is the only one from then on. */
async function replaceAdmin(wanted: Parameters<Actors["user"]>[0]): Promise<TestUser> {
  const user = await make.user(wanted);
  await user.client.users.delete({ userId: adminId });
  return user;
}

describe("the last administrator", () => {
  test.each<[string, () => Promise<unknown>]>([
    ["disabled", () => admin.users.disable({ userId: adminId })],
    ["deleted", () => admin.users.delete({ userId: adminId })],
    [
      "without the policy",
      () => admin.policies.detach({ policyId: administratorPolicyId, targetId: adminId }),
    ],
  ])("is not %s by itself", (_, attempt) => refuses(attempt));

  test("is not disabled or deleted by a service account that may do everything", async () => {
    const { client } = await make.bot({ permissions: ["*"] });
    await refuses(() => client.users.disable({ userId: adminId }));
    await refuses(() => client.users.delete({ userId: adminId }));
    await refuses(() =>
      client.policies.detach({ policyId: administratorPolicyId, targetId: adminId }),
    );
  });

  test("keeps its permissions, where those make it one", async () => {
    const { id: userId, client } = await replaceAdmin({ permissions: ["*"] });
    for (const permissions of [[], ["Users.write", "Policies.write", "Policies.read"]]) {
      await refuses(() => client.users.update({ userId, permissions }), client);
    }
    await client.users.update({ userId, name: "Renamed" });
  });

  test("stays in the group that makes it one, and that there is", async () => {
    const groupId = await make.group({ policies: [administratorPolicyId] });
    const { id: memberId, client } = await make.user();
    await admin.groups.addMember({ groupId, memberId });
    await client.users.delete({ userId: adminId });
    await refuses(() => client.groups.removeMember({ groupId, memberId }), client);
    await refuses(() => client.groups.delete({ groupId }), client);
    const attachment = { policyId: administratorPolicyId, targetId: groupId };
    await refuses(() => client.policies.detach(attachment), client);
  });

  test("keeps the text of the policy that makes it one", async () => {
    const policyId = await make.policy(everything);
    const { client } = await replaceAdmin({ policies: [policyId] });
    const texts = [
      'permit (principal, action in [Action::"Policies.write"], resource);',
      `permit (principal, action, resource) when { context.authentication == "session" };`,
      everything.replace("principal", "principal is ServiceAccount"),
    ];
    for (const text of texts) {
      await refuses(() => client.policies.update({ policyId, text }), client);
    }
  });

  test("may go once there is another", async () => {
    const { client } = await make.user({ policies: [administratorPolicyId] });
    await admin.users.delete({ userId: adminId });
    await client.policies.list().page();
  });
});

describe("who cannot log in does not count", () => {
  test("an administrator who was invited only", async () => {
    await make.invited({ policies: [administratorPolicyId] });
    await refuses(() => admin.users.disable({ userId: adminId }));
  });

  test("an administrator who is disabled", async () => {
    const { id: userId } = await make.user({ policies: [administratorPolicyId] });
    await admin.users.disable({ userId });
    await refuses(() => admin.users.delete({ userId: adminId }));
  });

  test("an administrator of another organization", async () => {
    await addOrganization(service.database, `org-${organizations++}`);
    await refuses(() => admin.users.disable({ userId: adminId }));
  });

  test("a user who may do much, and not everything", async () => {
    await make.user({ permissions: ["Users.write", "Policies.write", "Policies.read"] });
    await refuses(() => admin.users.disable({ userId: adminId }));
  });
});

describe("nobody locks the last administrator out", () => {
  const only = (scope: string) => nothing.replace("action,", `${scope},`);
  const texts: [string, () => string][] = [
    ["everything", () => nothing],
    ["what policies are changed by", () => only('action in [Action::"Policies.write"]')],
    ["to detach", () => only('action == Action::"DetachPolicy"')],
    ["to look at policies", () => only('action == Action::"ListPolicyAttachments"')],
    ["everything to users", () => nothing.replace("principal", "principal is User")],
    ["everything to it", () => nothing.replace("principal", `principal == User::"${adminId}"`)],
    [
      "everything from here",
      () =>
        nothing.replace(
          ";",
          ' when { context has address && context.address.isInRange(ip("127.0.0.0/8")) };',
        ),
    ],
    [
      "everything in a session",
      () => nothing.replace(";", ' when { context.authentication == "session" };'),
    ],
  ];

  test.each(texts)("by AttachPolicy to the organization: what forbids %s", async (_, text) => {
    const policyId = await make.policy(text());
    await refuses(() => admin.policies.attach({ policyId, targetId: organizationId }));
    await admin.policies.attach({ policyId, targetId: (await make.bot()).id });
  });

  test("by AttachPolicy to itself", async () => {
    const policyId = await make.policy(nothing);
    await refuses(() => admin.policies.attach({ policyId, targetId: adminId }));
  });

  test("by AttachPolicy to a group that it is in", async () => {
    const policyId = await make.policy(nothing);
    const targetId = await make.group({ members: [adminId] });
    await refuses(() => admin.policies.attach({ policyId, targetId }));
  });

  test("by AddGroupMember to a group that is forbidden everything", async () => {
    const groupId = await make.group({ policies: [await make.policy(nothing)] });
    await refuses(() => admin.groups.addMember({ groupId, memberId: adminId }));
  });

  test("by AddGroupMember to a group that the organization's policy names", async () => {
    const groupId = await make.group();
    const text = nothing.replace("principal", `principal in Group::"${groupId}"`);
    await make.policy(text, organizationId);
    await refuses(() => admin.groups.addMember({ groupId, memberId: adminId }));
  });

  test("by RemoveGroupMember from a group that is excepted", async () => {
    const groupId = await make.group({ members: [adminId] });
    const text = nothing.replace(";", ` unless { principal in Group::"${groupId}" };`);
    await make.policy(text, organizationId);
    await refuses(() => admin.groups.removeMember({ groupId, memberId: adminId }));
    await refuses(() => admin.groups.delete({ groupId }));
  });

  test.each(texts)("by UpdatePolicy: what forbids %s", async (_, text) => {
    const harmless = 'permit (principal, action == Action::"GetAccount", resource);';
    const policyId = await make.policy(harmless, organizationId);
    await refuses(() => admin.policies.update({ policyId, text: text() }));
  });

  test("by what forbids its own detachment", async () => {
    const harmless = 'permit (principal, action == Action::"GetAccount", resource);';
    const policyId = await make.policy(harmless, organizationId);
    const protectsItself = nothing.replace(
      ";",
      ` unless { resource == Policy::"${administratorPolicyId}" || resource is Organization };`,
    );
    await refuses(() => admin.policies.update({ policyId, text: protectsItself }));
    const other = await make.policy(protectsItself);
    await refuses(() => admin.policies.attach({ policyId: other, targetId: organizationId }));
  });

  test("by a service account that may write policies only", async () => {
    const { client } = await make.bot({ permissions: ["Policies.write"] });
    const { id: policyId } = await client.policies.create({ name: "Nothing", text: nothing });
    await refuses(() => client.policies.attach({ policyId, targetId: organizationId }));
    await client.policies.attach({ policyId, targetId: (await make.user()).id });
  });
});

describe("what leaves it able to act is none of that", () => {
  test.each([
    [
      "from elsewhere",
      ' unless { context has address && context.address.isInRange(ip("127.0.0.0/8")) }',
    ],
    ["without a session", ' unless { context.authentication == "session" }'],
    ["to service accounts", " when { principal is ServiceAccount }"],
    [
      "all but what mends policies",
      ' unless { action in [Action::"Policies.read", Action::"Policies.write"] }',
    ],
  ])("what forbids everything %s", async (_, condition) => {
    const policyId = await make.policy(nothing.replace(";", `${condition};`), organizationId);
    await admin.policies.list().page();
    await admin.policies.detach({ policyId, targetId: organizationId });
  });

  test("what forbids something else", async () => {
    const text = nothing.replace("action,", 'action in [Action::"Users.write"],');
    const policyId = await make.policy(text, organizationId);
    expect(await refusalOf(admin.users.create({ email: "no@example.com" }))).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
    await admin.policies.detach({ policyId, targetId: organizationId });
    await admin.users.create({ email: "yes@example.com" });
  });

  test("another administrator who is not forbidden anything", async () => {
    const policyId = await make.policy(
      nothing.replace("principal", `principal == User::"${adminId}"`),
    );
    const { client } = await make.user({ policies: [administratorPolicyId] });
    await client.policies.attach({ policyId, targetId: organizationId });
    expect(await refusalOf(admin.policies.list().page())).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
    await client.policies.detach({ policyId, targetId: organizationId });
    await admin.policies.list().page();
  });
});

test("of two administrators who remove each other at once, one stays", async () => {
  for (let round = 0; round < 5; round++) {
    const [a, b] = await Promise.all([
      make.user({ policies: [administratorPolicyId] }),
      make.user({ policies: [administratorPolicyId] }),
    ]);
    const only = round === 0 ? admin : a.client;
    if (round === 0) await only.users.delete({ userId: adminId }).catch(() => {});
    const attempts = [
      () => a.client.users.disable({ userId: b.id }),
      () => b.client.users.delete({ userId: a.id }),
    ];
    const outcomes = await Promise.allSettled(attempts.map((attempt) => attempt()));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const left = outcomes[0]?.status === "fulfilled" ? a : b;
    await left.client.policies.list().page();
    make = new Actors(service, left.client, (await left.client.organizations.getInfo()).slug);
  }
});

test("what was refused leaves nothing behind of what would have been", async () => {
  const bot = await make.bot({ permissions: ["*"] });
  const groupId = await make.group({ members: [adminId, bot.id] });
  const text = nothing.replace(";", ` unless { principal in Group::"${groupId}" };`);
  await make.policy(text, organizationId);
  await refuses(() => admin.groups.removeMember({ groupId, memberId: adminId }));
  // The change that takes the place of the one that was not made.
  await bot.client.groups.create({ name: "Another" });
  await make.policy(everything);
});
