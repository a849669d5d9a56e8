import type { Client, Group, GroupMember } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let admin: Client;

beforeAll(async () => {
  service = await TestService.start();
  admin = service.admin;
});
afterAll(() => service[Symbol.asyncDispose]());

let made = 0;
const newGroup = () => admin.groups.create({ name: `Group ${made++}` });

test("a group: created, got, updated and deleted", async () => {
  const group = await admin.groups.create({ name: "Auditors", description: "Look, and no more" });
  expect(group).toEqual({
    id: expect.stringMatching(/^grp_/),
    name: "Auditors",
    description: "Look, and no more",
    etag: expect.stringMatching(/./),
    createTime: expect.any(Date),
    updateTime: expect.any(Date),
  });
  const it = { groupId: group.id };
  expect(await admin.groups.get(it)).toEqual(group);
  const change = { ...it, description: "", etag: group.etag };
  const changed = await admin.groups.update(change);
  expect(changed).toMatchObject({ name: "Auditors", description: "" });
  expect(await refusalOf(admin.groups.update(change))).toMatchObject({ reason: "ETAG_MISMATCH" });
  const taken = refusalOf(admin.groups.create({ name: "Auditors" }));
  expect(await taken).toMatchObject({ reason: "RESOURCE_ALREADY_EXISTS" });
  expect(await admin.groups.delete({ ...it, etag: changed.etag })).toBeUndefined();
  expect(await refusalOf(admin.groups.get(it))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("repeated with its request id: one group", async () => {
  const params = { name: "Once", requestId: crypto.randomUUID() };
  expect(await admin.groups.create(params)).toEqual(await admin.groups.create(params));
});

test("members: users and service accounts, added, listed by page and removed", async () => {
  const { id: groupId } = await newGroup();
  const { id: userId } = await admin.users.create({ email: "m@myorg.example", name: "M" });
  const { serviceAccountId } = await service.issueKey([]);
  const user = await admin.groups.addMember({ groupId, memberId: userId });
  expect(user).toEqual({
    groupId,
    memberId: userId,
    memberType: "user",
    memberName: "M",
    createTime: expect.any(Date),
  });
  expect(await admin.groups.addMember({ groupId, memberId: userId })).toEqual(user);
  const bot = await admin.groups.addMember({ groupId, memberId: serviceAccountId });
  expect(bot).toMatchObject({ memberType: "service_account", memberName: "Test" });
  const listed: GroupMember[] = [];
  for await (const one of admin.groups.listMembers({ groupId, pageSize: 1 })) listed.push(one);
  expect(listed).toEqual([bot, user]);
  const { nextPageToken } = await admin.groups.listMembers({ groupId, pageSize: 1 }).page();
  const last = { groupId, pageSize: 1, pageToken: nextPageToken };
  expect((await admin.groups.listMembers(last).page()).items).toEqual([user]);

  const membership = { groupId, memberId: userId };
  expect(await admin.groups.removeMember(membership)).toBeUndefined();
  expect(await admin.groups.removeMember(membership)).toBeUndefined();
  expect((await admin.groups.listMembers({ groupId }).page()).items).toEqual([bot]);
  const unknown = { groupId, memberId: `usr_${"0".repeat(26)}` };
  const refusal = refusalOf(admin.groups.addMember(unknown));
  expect(await refusal).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("list gives every group, or those that somebody is in", async () => {
  const { serviceAccountId: memberId } = await service.issueKey([]);
  const groups = [await newGroup(), await newGroup(), await newGroup()];
  for (const { id } of groups.slice(1)) await admin.groups.addMember({ groupId: id, memberId });
  const all: Group[] = [];
  for await (const group of admin.groups.list({ pageSize: 2 })) all.push(group);
  expect(all.slice(-3)).toEqual(groups);
  const own: Group[] = [];
  for await (const group of admin.groups.list({ memberId, pageSize: 1 })) own.push(group);
  expect(own).toEqual(groups.slice(1));
});

test("a member may do what is attached to the group, until it is removed", async () => {
  const key = await service.issueKey([]);
  const client = service.signed(key);
  const { id: groupId } = await newGroup();
  await admin.policies.attach({ policyId: "pol_viewer", targetId: groupId });
  const missing = { code: "permission_denied", reason: "PERMISSION_MISSING" };
  const list = () => client.accounts.list().page();
  expect(await refusalOf(list())).toMatchObject(missing);
  await admin.groups.addMember({ groupId, memberId: key.serviceAccountId });
  expect((await list()).items).toHaveLength(1);
  await admin.groups.removeMember({ groupId, memberId: key.serviceAccountId });
  expect(await refusalOf(list())).toMatchObject(missing);
});

test("nobody adds to a group that may do more", async () => {
  const key = await service.issueKey(["Groups.write"]);
  const { id: groupId } = await newGroup();
  await admin.policies.attach({ policyId: "pol_viewer", targetId: groupId });
  const add = service.signed(key).groups.addMember({ groupId, memberId: key.serviceAccountId });
  const escalation = { code: "permission_denied", reason: "PERMISSION_ESCALATION" };
  expect(await refusalOf(add)).toMatchObject(escalation);
});
