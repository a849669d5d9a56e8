import { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { Actors, accessRows } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { TestService } from "../harness/service.ts";

// An administrator of one organization, who may do everything there, and what belongs to another one.

let service: TestService;
let stranger: Client;
/** What is ours. */
let ours: { userId: string; memberId: string; groupId: string; policyId: string };
/** What is theirs. */
let theirs: typeof ours;

const missing = { code: "not_found", reason: "RESOURCE_NOT_FOUND" };
const text = 'permit (principal, action == Action::"GetAccount", resource);';

beforeAll(async () => {
  service = await TestService.start();
  const login = await addOrganization(service.database, "strangers");
  stranger = new Client({ baseUrl: service.httpUrl, ...login });
  await service.admin.accounts.create({ accountId: "acc-ours" });
  ours = await makeIn(new Actors(service));
  theirs = await makeIn(new Actors(service, stranger, "strangers"));
});
afterAll(() => service[Symbol.asyncDispose]());

async function makeIn(make: Actors): Promise<typeof ours> {
  const { id: memberId } = await make.bot();
  const policyId = await make.policy(text, memberId);
  const groupId = await make.group({ policies: [policyId], members: [memberId] });
  return { userId: (await make.user()).id, memberId, groupId, policyId };
}

const attempts: Record<string, () => Promise<unknown>> = {
  "get a user": () => stranger.users.get({ userId: ours.userId }),
  "change a user": () => stranger.users.update({ userId: ours.userId, permissions: [] }),
  "rename a user": () => stranger.users.update({ userId: ours.userId, email: "mine@example.com" }),
  "invite a user": () => stranger.users.invite({ userId: ours.userId }),
  "disable a user": () => stranger.users.disable({ userId: ours.userId }),
  "enable a user": () => stranger.users.enable({ userId: ours.userId }),
  "delete a user": () => stranger.users.delete({ userId: ours.userId }),
  "get a group": () => stranger.groups.get({ groupId: ours.groupId }),
  "change a group": () => stranger.groups.update({ groupId: ours.groupId, name: "Mine" }),
  "delete a group": () => stranger.groups.delete({ groupId: ours.groupId }),
  "list the members of a group": () => stranger.groups.listMembers(ours).page(),
  "add a member of its own to a group": () =>
    stranger.groups.addMember({ groupId: ours.groupId, memberId: theirs.memberId }),
  "add a member to a group of its own": () =>
    stranger.groups.addMember({ groupId: theirs.groupId, memberId: ours.memberId }),
  "add a user to a group of its own": () =>
    stranger.groups.addMember({ groupId: theirs.groupId, memberId: ours.userId }),
  "remove a member of a group": () => stranger.groups.removeMember(ours),
  "get a policy": () => stranger.policies.get({ policyId: ours.policyId }),
  "change a policy": () => stranger.policies.update({ policyId: ours.policyId, text }),
  "delete a policy": () => stranger.policies.delete({ policyId: ours.policyId }),
  "attach a policy to its own": () =>
    stranger.policies.attach({ policyId: ours.policyId, targetId: theirs.memberId }),
  "attach a policy of its own to a service account": () =>
    stranger.policies.attach({ policyId: theirs.policyId, targetId: ours.memberId }),
  "attach a policy of its own to a user": () =>
    stranger.policies.attach({ policyId: theirs.policyId, targetId: ours.userId }),
  "attach a policy of its own to a group": () =>
    stranger.policies.attach({ policyId: theirs.policyId, targetId: ours.groupId }),
  "attach a policy of its own to an account": () =>
    stranger.policies.attach({ policyId: theirs.policyId, targetId: "acc-ours" }),
  "attach a policy of its own to the organization": () =>
    stranger.policies.attach({ policyId: theirs.policyId, targetId: service.organizationId }),
  "attach a policy of the product": () =>
    stranger.policies.attach({ policyId: administratorPolicyId, targetId: ours.memberId }),
  "detach a policy": () =>
    stranger.policies.detach({ policyId: ours.policyId, targetId: ours.memberId }),
  "test a policy": () => stranger.policies.testChange({ policyId: ours.policyId, text }),
  "ask what somebody may": () =>
    stranger.access.listEffectivePermissions({ principalId: ours.memberId }),
};

test.each(Object.keys(attempts))("cannot %s, which is not there", async (name) => {
  const before = await accessRows(service);
  const attempt = attempts[name] as () => Promise<unknown>;
  expect(await refusalOf(attempt())).toMatchObject(missing);
  expect(await accessRows(service)).toEqual(before);
});

describe("to take away what is not there changes nothing", () => {
  test.each<[string, () => Promise<unknown>]>([
    [
      "RemoveGroupMember",
      () => stranger.groups.removeMember({ groupId: theirs.groupId, memberId: ours.memberId }),
    ],
    [
      "DetachPolicy",
      () => stranger.policies.detach({ policyId: theirs.policyId, targetId: ours.memberId }),
    ],
    [
      "DetachPolicy of one of the product",
      () =>
        stranger.policies.detach({
          policyId: administratorPolicyId,
          targetId: service.first.administrator.id,
        }),
    ],
  ])("%s", async (_, attempt) => {
    const before = await accessRows(service);
    await attempt();
    expect(await accessRows(service)).toEqual(before);
  });
});

test("lists show nothing of it", async () => {
  const everything = [
    ...(await Array.fromAsync(stranger.users.list())),
    ...(await Array.fromAsync(stranger.groups.list())),
    ...(await Array.fromAsync(stranger.policies.list())),
  ].map(({ id }) => id);
  const attachments = await Array.fromAsync(stranger.policies.listAttachments());
  everything.push(...attachments.flatMap(({ policyId, targetId }) => [policyId, targetId]));
  for (const id of Object.values(ours)) expect(everything).not.toContain(id);
  for (const filter of [{ policyId: ours.policyId }, { targetId: ours.memberId }]) {
    expect(await Array.fromAsync(stranger.policies.listAttachments(filter))).toEqual([]);
  }
  expect(await Array.fromAsync(stranger.groups.list({ memberId: ours.memberId }))).toEqual([]);
});

test("both may have the same names, and accounts of the same name with policies of their own", async () => {
  for (const admin of [service.admin, stranger]) {
    await admin.groups.create({ name: "Same" });
    await admin.users.create({ email: "same@example.com" });
    await admin.policies.create({ name: "Same", text });
  }
  await stranger.policies.attach({ policyId: theirs.policyId, targetId: "acc-123" });
  const { id, client } = await new Actors(service).bot();
  expect(await refusalOf(client.accounts.get({ accountId: "acc-123" }))).toMatchObject({
    reason: "PERMISSION_MISSING",
  });
  const attachments = service.admin.policies.listAttachments({ targetId: "acc-123" });
  expect(await Array.fromAsync(attachments)).toEqual([]);
  expect((await client.whoAmI()).id).toBe(id);
});
