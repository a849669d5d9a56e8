import { inspect } from "node:util";
import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService, PrincipalType } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { UserService, UserState } from "../../../gen/pdaas/v1/user_service_pb.ts";
import * as browser from "../src/browser.ts";
import { Client } from "../src/index.ts";
import { startServer } from "./support/server.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const login = { email: "a@b.example", password: "p", organizationSlug: "myorg" };
const createTime = timestampFromMs(1_700_000_000_123);
const date = new Date(1_700_000_000_123);
const userId = "usr_1";
const groupId = "grp_1";
const token = "inv_secret";
const user = {
  id: userId,
  email: "ada@myorg.example",
  name: "Ada",
  permissions: ["Users.read"],
  state: UserState.INVITED,
  etag: "v2",
  createTime,
  updateTime: createTime,
};
const group = { id: groupId, name: "Auditors", etag: "v3", createTime, updateTime: createTime };
const member = {
  groupId,
  memberId: userId,
  memberType: PrincipalType.USER,
  memberName: "Ada",
  createTime,
};

/** @param invitationLink what the service says of a page that takes invitations */
const routes = (invitationLink: string) => (router: ConnectRouter) => {
  const one = () => ({ user });
  router.service(UserService, {
    createUser: one,
    inviteUser: () => ({ invitationToken: token, invitationLink, expireTime: createTime }),
    getUser: one,
    listUsers: () => ({ users: [user], nextPageToken: "b" }),
    updateUser: one,
    disableUser: one,
    enableUser: one,
    deleteUser: () => ({}),
  });
  router.service(GroupService, {
    createGroup: () => ({ group }),
    getGroup: () => ({ group }),
    listGroups: () => ({ groups: [group] }),
    updateGroup: () => ({ group }),
    deleteGroup: () => ({}),
    addGroupMember: () => ({ groupMember: member }),
    removeGroupMember: () => ({}),
    listGroupMembers: () => ({ groupMembers: [member], nextPageToken: "b" }),
  });
  router.service(AuthService, {
    acceptInvitation: () => ({ organizationSlug: "myorg", email: user.email }),
  });
  router.service(AuditService, {
    listAuditEvents: () => ({
      auditEvents: [{ id: "evt_1", time: createTime, parentId: "acc-123" }],
    }),
  });
};

/** A client, and what the last request said, in the contract's JSON. */
async function open(invitationLink = "") {
  const server = await startServer(routes(invitationLink));
  const said = (input: DescMessage) => {
    const body = server.requests.at(-1)?.body as Buffer;
    return toJson(input, fromBinary(input, body)) as Record<string, unknown>;
  };
  return { client: new Client({ baseUrl: server.baseUrl, ...key }), said, server };
}

const users = UserService.method;
const groups = GroupService.method;
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

test("a user is plain data", async () => {
  const { client, said } = await open();
  const plain = { ...user, state: "invited", createTime: date, updateTime: date };
  expect(await client.users.get({ userId })).toEqual(plain);
  expect(said(users.getUser.input)).toEqual({ userId });
  const page = await client.users.list({ pageSize: 1, pageToken: "a" }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: "b" });
  expect(said(users.listUsers.input)).toEqual({ pageSize: 1, pageToken: "a" });
});

test("a user is created with what is given, and a UUID as the request id", async () => {
  const { client, said } = await open();
  const { email } = user;
  await client.users.create({ email });
  expect(said(users.createUser.input)).toEqual({ email, requestId: uuid });
  const all = { email, name: "Ada", permissions: ["Users.read"], requestId: "my-request" };
  await client.users.create(all);
  expect(said(users.createUser.input)).toEqual(all);
});

test.each([
  [{ email: "b@b.example" }, { updateMask: "email", email: "b@b.example" }],
  [
    { name: "New", permissions: [] },
    { updateMask: "name,permissions", name: "New" },
  ],
  [
    { permissions: ["*"], name: undefined, etag: "v1" },
    { updateMask: "permissions", permissions: ["*"], etag: "v1" },
  ],
])("a user updated with %j: says %j", async (fields, expected) => {
  const { client, said } = await open();
  await client.users.update({ userId, ...fields });
  expect(said(users.updateUser.input)).toEqual({ userId, ...expected });
});

test.each(["disable", "enable", "delete"] as const)(
  "%s of a user sends the identifier and the etag",
  async (change) => {
    const { client, said, server } = await open();
    await client.users[change]({ userId, etag: "v1" });
    const name = `${change[0]?.toUpperCase()}${change.slice(1)}User`;
    expect(server.requests[0]?.target).toBe(`/pdaas.v1.UserService/${name}`);
    expect(said(users[`${change}User`].input)).toEqual({ userId, etag: "v1" });
  },
);

test("an invitation holds its token, and shows it only where it is asked for by name", async () => {
  const link = `https://console.example.com/accept#${token}`;
  const { client } = await open(link);
  const invitation = await client.users.invite({ userId });
  const held = { invitationToken: token, invitationLink: link, expireTime: date };
  expect({ ...invitation }).toEqual(held);
  for (const shown of [JSON.stringify({ invitation }), inspect([[invitation]])]) {
    expect(shown).toContain("[redacted]");
    expect(shown).not.toContain(token);
  }
});

test("an invitation without a page: there is no link, and none is shown", async () => {
  const { client } = await open();
  const invitation = await client.users.invite({ userId });
  expect(invitation.invitationLink).toBeUndefined();
  const shown = { invitationToken: "[redacted]", expireTime: date.toISOString() };
  expect(JSON.parse(JSON.stringify(invitation))).toEqual(shown);
});

test("acceptInvitation carries nobody's credentials, and a browser needs none for it", async () => {
  const { client, server } = await open();
  const { baseUrl, requests } = server;
  const request = { invitationToken: token, password: "a long enough password" };
  const guests = [
    client,
    new Client({ baseUrl, ...login }),
    new browser.Client({ baseUrl, ...login }),
    new browser.Client({ baseUrl }),
  ];
  for (const guest of guests) {
    const accepted = await guest.users.acceptInvitation(request);
    expect(accepted).toEqual({ organizationSlug: "myorg", email: user.email });
    const sent = String(requests.at(-1)?.body);
    for (const value of Object.values(request)) expect(sent).toContain(value);
    expect(requests.at(-1)?.headers).not.toHaveProperty("signature");
    expect(requests.at(-1)?.headers).not.toHaveProperty("authorization");
  }
  expect(requests).toHaveLength(guests.length);
});

test("groups: created, got, listed, updated and deleted", async () => {
  const { client, said } = await open();
  const plain = { ...group, description: "", createTime: date, updateTime: date };
  expect(await client.groups.create({ name: "Auditors" })).toEqual(plain);
  expect(said(groups.createGroup.input)).toEqual({ name: "Auditors", requestId: uuid });
  expect(await client.groups.get({ groupId })).toEqual(plain);
  const page = await client.groups.list({ memberId: userId, pageSize: 3 }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: undefined });
  expect(said(groups.listGroups.input)).toEqual({ memberId: userId, pageSize: 3 });
  expect(await client.groups.update({ groupId, description: "", etag: "v1" })).toEqual(plain);
  const change = { groupId, updateMask: "description", etag: "v1" };
  expect(said(groups.updateGroup.input)).toEqual(change);
  expect(await client.groups.delete({ groupId, etag: "v1" })).toBeUndefined();
  expect(said(groups.deleteGroup.input)).toEqual({ groupId, etag: "v1" });
});

test("members of a group: added, listed and removed", async () => {
  const { client, said } = await open();
  const plain = { ...member, memberType: "user", createTime: date };
  expect(await client.groups.addMember({ groupId, memberId: userId })).toEqual(plain);
  expect(said(groups.addGroupMember.input)).toEqual({ groupId, memberId: userId });
  const page = await client.groups.listMembers({ groupId, pageSize: 1 }).page();
  expect(page).toEqual({ items: [plain], nextPageToken: "b" });
  expect(said(groups.listGroupMembers.input)).toEqual({ groupId, pageSize: 1 });
  expect(await client.groups.removeMember({ groupId, memberId: userId })).toBeUndefined();
  expect(said(groups.removeGroupMember.input)).toEqual({ groupId, memberId: userId });
});

test("an audit event tells what something was to be created in", async () => {
  const { client } = await open();
  const { items } = await client.auditEvents.list().page();
  expect(items).toMatchObject([{ id: "evt_1", parentId: "acc-123" }]);
});
