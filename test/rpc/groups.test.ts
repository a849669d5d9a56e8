import { randomUUID } from "node:crypto";
import type { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/ids.ts";
import { Actors } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let groups: Client["groups"];

const missing = { code: "not_found", reason: "RESOURCE_NOT_FOUND" };
const limitReached = { code: "resource_exhausted", reason: "LIMIT_REACHED" };

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  groups = service.admin.groups;
});
afterAll(() => service[Symbol.asyncDispose]());

const membersOf = async (groupId: string) =>
  (await Array.fromAsync(groups.listMembers({ groupId }))).map(({ memberId }) => memberId);

describe("a group", () => {
  test("has a name of its own", async () => {
    const { id: groupId } = await groups.create({ name: "Operators" });
    const { id: otherId } = await groups.create({ name: "Others" });
    const taken = { code: "already_exists", reason: "RESOURCE_ALREADY_EXISTS" };
    expect(await refusalOf(groups.create({ name: "Operators" }))).toMatchObject(taken);
    expect(await refusalOf(groups.update({ groupId: otherId, name: "Operators" }))).toMatchObject(
      taken,
    );
    expect(await groups.update({ groupId, name: "Operators", description: "Same" })).toMatchObject({
      name: "Operators",
      description: "Same",
    });
    await groups.delete({ groupId });
    await groups.create({ name: "Operators" });
  });

  test("is created once by a request that is repeated", async () => {
    const request = { name: "Once", requestId: randomUUID() };
    const [first, second] = await Promise.all([groups.create(request), groups.create(request)]);
    expect(second.id).toBe(first.id);
    const other = groups.create({ ...request, description: "Other" });
    expect(await refusalOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("changes only in what is given, and not with a stale etag", async () => {
    const { id: groupId, etag } = await groups.create({ name: "Old", description: "Kept" });
    const renamed = await groups.update({ groupId, name: "New", etag });
    expect(renamed).toMatchObject({ name: "New", description: "Kept" });
    const stale = { code: "aborted", reason: "ETAG_MISMATCH" };
    expect(await refusalOf(groups.update({ groupId, name: "Late", etag }))).toMatchObject(stale);
    expect(await refusalOf(groups.delete({ groupId, etag }))).toMatchObject(stale);
    const { id: memberId } = await make.bot();
    await groups.addMember({ groupId, memberId });
    expect((await groups.get({ groupId })).etag).toBe(renamed.etag);
    await groups.delete({ groupId, etag: renamed.etag });
  });

  test("that is gone is nobody's any more, and holds for nobody", async () => {
    const { id: memberId, client } = await make.bot();
    const policyId = await make.policy(
      'permit (principal, action == Action::"GetAccount", resource);',
    );
    const groupId = await make.group({ policies: [policyId], members: [memberId] });
    await client.accounts.get({ accountId: "acc-123" });
    await groups.delete({ groupId });
    expect(await refusalOf(client.accounts.get({ accountId: "acc-123" }))).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
    expect(await Array.fromAsync(groups.list({ memberId }))).toEqual([]);
    const attachments = service.admin.policies.listAttachments({ targetId: groupId });
    expect(await Array.fromAsync(attachments)).toEqual([]);
    const calls = [
      () => groups.get({ groupId }),
      () => groups.update({ groupId, name: "Back" }),
      () => groups.delete({ groupId }),
      () => groups.addMember({ groupId, memberId }),
      () => groups.removeMember({ groupId, memberId }),
      () => groups.listMembers({ groupId }).page(),
      () => service.admin.policies.attach({ policyId, targetId: groupId }),
    ];
    for (const call of calls) expect(await refusalOf(call())).toMatchObject(missing);
    await service.admin.policies.delete({ policyId });
  });

  test("is listed once, page by page, oldest first", async () => {
    const { id: memberId } = await make.bot();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push(await make.group({ members: [memberId] }));
    const listed = await Array.fromAsync(groups.list({ memberId, pageSize: 2 }));
    expect(listed.map(({ id }) => id)).toEqual(made);
    const all = await Array.fromAsync(groups.list());
    expect(await Array.fromAsync(groups.list({ pageSize: 3 }))).toEqual(all);
    const { nextPageToken: pageToken } = await groups.list({ memberId, pageSize: 2 }).page();
    expect(await refusalOf(groups.list({ pageToken }).page())).toMatchObject({
      reason: "PAGE_TOKEN_INVALID",
    });
  });
});

describe("a member", () => {
  test("is a user or a service account, once", async () => {
    const groupId = await make.group();
    const { id: botId } = await make.bot();
    const { id: userId, email } = await make.invited();
    const added = await groups.addMember({ groupId, memberId: botId });
    expect(added).toMatchObject({ groupId, memberId: botId, memberType: "service_account" });
    expect(await groups.addMember({ groupId, memberId: botId })).toEqual(added);
    expect(await groups.addMember({ groupId, memberId: userId })).toMatchObject({
      memberType: "user",
      memberName: email,
    });
    expect(await membersOf(groupId)).toEqual([botId, userId].sort());
    await groups.removeMember({ groupId, memberId: botId });
    await groups.removeMember({ groupId, memberId: botId });
    expect(await membersOf(groupId)).toEqual([userId]);
  });

  test("that two add at once is one", async () => {
    const groupId = await make.group();
    const { id: memberId } = await make.bot();
    const [a, b] = await Promise.all([
      groups.addMember({ groupId, memberId }),
      groups.addMember({ groupId, memberId }),
    ]);
    expect(a).toEqual(b);
    expect(await membersOf(groupId)).toEqual([memberId]);
  });

  test.each([
    ["a user that there is not", () => newId("usr")],
    ["a service account that there is not", () => newId("svc")],
  ])("is not %s", async (_, makeId) => {
    const groupId = await make.group();
    const add = groups.addMember({ groupId, memberId: makeId() });
    expect(await refusalOf(add)).toMatchObject(missing);
    expect(await membersOf(groupId)).toEqual([]);
  });

  test.each([
    ["a group", () => newId("grp")],
    ["the organization", () => service.organizationId],
    ["a key", () => newId("key")],
  ])("is not %s", async (_, makeId) => {
    const groupId = await make.group();
    const add = groups.addMember({ groupId, memberId: makeId() });
    expect(await refusalOf(add)).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("is in 50 groups at most", async () => {
    const { id: memberId } = await make.bot();
    const made = Array.from({ length: 50 }, () => newId("grp"));
    const { organizationId } = service;
    await service.database.query(
      `insert into groups (id, organization_id, name, description)
        select id, $1, id, '' from unnest($2::text[]) id`,
      [organizationId, made],
    );
    await service.database.query(
      `insert into group_members (group_id, member_id, organization_id)
        select id, $1, $2 from unnest($3::text[]) id`,
      [memberId, organizationId, made],
    );
    const groupId = await make.group();
    expect(await refusalOf(groups.addMember({ groupId, memberId }))).toMatchObject(limitReached);
    await groups.addMember({ groupId: made[0] as string, memberId });
    await groups.removeMember({ groupId: made[0] as string, memberId });
    await groups.addMember({ groupId, memberId });
  });

  test("is one of 10,000 at most", async () => {
    const groupId = await make.group();
    await service.database.query(
      `insert into group_members (group_id, member_id, organization_id)
        select $1, 'svc_' || n, $2 from generate_series(1, 10000) n`,
      [groupId, service.organizationId],
    );
    const { id: memberId } = await make.bot();
    expect(await refusalOf(groups.addMember({ groupId, memberId }))).toMatchObject(limitReached);
  });

  test("is listed by identifier, page by page", async () => {
    const bots = await Promise.all([make.bot(), make.bot(), make.bot()]);
    const ids = [...bots.map(({ id }) => id), (await make.invited()).id];
    const groupId = await make.group({ members: ids });
    const paged = await Array.fromAsync(groups.listMembers({ groupId, pageSize: 1 }));
    expect(paged.map(({ memberId }) => memberId)).toEqual(ids.toSorted());
  });

  test("that is deleted is one until it is gone for good", async () => {
    const { id: serviceAccountId } = await make.bot();
    const groupId = await make.group({ members: [serviceAccountId] });
    const policyId = await make.policy(
      'permit (principal, action == Action::"GetAccount", resource);',
      serviceAccountId,
    );
    await service.admin.serviceAccounts.delete({ serviceAccountId });
    expect(await membersOf(groupId)).toEqual([serviceAccountId]);
    await service.database.query(
      "update service_accounts set delete_time = now() - interval '31 days' where id = $1",
      [serviceAccountId],
    );
    const { purgeDeleted } = await import("../../src/rpc/purge.ts");
    await purgeDeleted(service.service.app);
    expect(await membersOf(groupId)).toEqual([]);
    const attachments = service.admin.policies.listAttachments({ targetId: serviceAccountId });
    expect(await Array.fromAsync(attachments)).toEqual([]);
    await service.admin.policies.delete({ policyId });
  });
});

test("of two groups, each gives what is its own, as long as somebody is in it", async () => {
  const { id: memberId, client } = await make.bot();
  const permits = (action: string) =>
    make.policy(`permit (principal, action == Action::"${action}", resource);`);
  const getting = await make.group({ policies: [await permits("GetAccount")] });
  const listing = await make.group({ policies: [await permits("ListAccounts")] });
  const outcomes = () =>
    Promise.all(
      [client.accounts.get({ accountId: "acc-123" }), client.accounts.list().page()].map((call) =>
        call.then(() => true).catch(() => false),
      ),
    );
  expect(await outcomes()).toEqual([false, false]);
  await groups.addMember({ groupId: getting, memberId });
  expect(await outcomes()).toEqual([true, false]);
  await groups.addMember({ groupId: listing, memberId });
  expect(await outcomes()).toEqual([true, true]);
  await groups.removeMember({ groupId: getting, memberId });
  expect(await outcomes()).toEqual([false, true]);
});
