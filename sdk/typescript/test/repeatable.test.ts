import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { Client } from "../src/index.ts";
import { startServer } from "./support/server.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const createTime = timestampFromMs(1_700_000_000_000);
const user = { id: "usr_1", createTime, updateTime: createTime };
const group = { id: "grp_1", createTime, updateTime: createTime };
const membership = { groupId: "grp_1", memberId: "usr_1" };
const attachment = { policyId: "pol_1", targetId: "grp_1" };
const userId = "usr_1";
const etag = "v1";

function routes(router: ConnectRouter): void {
  router.service(UserService, {
    createUser: () => ({ user }),
    inviteUser: () => ({ invitationToken: "inv_1", expireTime: createTime }),
    updateUser: () => ({ user }),
    disableUser: () => ({ user }),
    enableUser: () => ({ user }),
    deleteUser: () => ({}),
  });
  router.service(AuthService, { acceptInvitation: () => ({}) });
  router.service(GroupService, {
    createGroup: () => ({ group }),
    addGroupMember: () => ({ groupMember: { ...membership, createTime } }),
    removeGroupMember: () => ({}),
  });
  router.service(PolicyService, {
    createPolicy: () => ({ policy: { id: "pol_1" } }),
    updatePolicy: () => ({ policy: { id: "pol_1" } }),
    deletePolicy: () => ({}),
    attachPolicy: () => ({ policyAttachment: { ...attachment, createTime } }),
    detachPolicy: () => ({}),
    updatePolicySchema: () => ({}),
  });
}

/** A client whose first answer is lost. */
async function open() {
  const server = await startServer(routes, { losesAnswer: () => server.requests.length === 1 });
  return { client: new Client({ baseUrl: server.baseUrl, ...key }), requests: server.requests };
}

type Call = [name: string, call: (client: Client) => Promise<unknown>];

const repeatable: Call[] = [
  ["users.create", ({ users }) => users.create({ email: "a@b.example" })],
  ["users.invite", ({ users }) => users.invite({ userId })],
  ["users.disable", ({ users }) => users.disable({ userId })],
  ["users.enable", ({ users }) => users.enable({ userId })],
  ["groups.create", ({ groups }) => groups.create({ name: "x" })],
  ["groups.addMember", ({ groups }) => groups.addMember(membership)],
  ["groups.removeMember", ({ groups }) => groups.removeMember(membership)],
  ["policies.create", ({ policies }) => policies.create({ name: "x", text: "x" })],
  ["policies.attach", ({ policies }) => policies.attach(attachment)],
  ["policies.detach", ({ policies }) => policies.detach(attachment)],
];

test.each(repeatable)("%s, the answer is lost: done again", async (_, call) => {
  const { client, requests } = await open();
  await call(client);
  expect(requests).toHaveLength(2);
});

const invitationToken = "inv_1";
const password = "a long enough password";
const once: Call[] = [
  ["users.acceptInvitation", ({ users }) => users.acceptInvitation({ invitationToken, password })],
  ["users.update", ({ users }) => users.update({ userId, name: "x" })],
  ["users.disable with an etag", ({ users }) => users.disable({ userId, etag })],
  ["users.enable with an etag", ({ users }) => users.enable({ userId, etag })],
  ["users.delete", ({ users }) => users.delete({ userId })],
  ["policies.update", ({ policies }) => policies.update({ policyId: "pol_1", text: "x" })],
  ["policies.delete", ({ policies }) => policies.delete({ policyId: "pol_1" })],
  ["policies.updateSchema", ({ policies }) => policies.updateSchema({ applicationText: "" })],
];

test.each(once)("%s, the answer is lost: told, since it may have been done", async (_, call) => {
  const { client, requests } = await open();
  await expect(call(client)).rejects.toMatchObject({ code: "unavailable" });
  expect(requests).toHaveLength(1);
});
