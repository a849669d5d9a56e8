import { inspect } from "node:util";
import { Client, type User } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { administrator, TestService } from "../harness/service.ts";

const invitationPage = "https://console.example.com/accept";
const password = "a long enough password";
let service: TestService;
let admin: Client;

beforeAll(async () => {
  service = await TestService.start({ PDAAS_INVITATION_PAGE: invitationPage });
  admin = service.admin;
});
afterAll(() => service[Symbol.asyncDispose]());

let made = 0;
const newEmail = () => `user-${made++}@myorg.example`;

/** A user who has accepted an invitation, and its client. */
async function join(permissions: string[] = []) {
  const user = await admin.users.create({ email: newEmail(), permissions });
  const { invitationToken } = await admin.users.invite({ userId: user.id });
  const login = await admin.users.acceptInvitation({ invitationToken, password });
  return { user, client: new Client({ baseUrl: service.httpUrl, ...login, password }) };
}

test("a user: created, got, updated, disabled, enabled and deleted", async () => {
  const permissions = ["Accounts.read", "ServiceAccounts.read"];
  const params = { email: "Ada@myorg.example", name: "Ada", permissions: permissions.toReversed() };
  const user = await admin.users.create(params);
  expect(user).toEqual({
    id: expect.stringMatching(/^usr_/),
    email: "ada@myorg.example",
    name: "Ada",
    permissions,
    state: "invited",
    etag: expect.stringMatching(/./),
    createTime: expect.any(Date),
    updateTime: expect.any(Date),
  });
  const it = { userId: user.id };
  expect(await admin.users.get(it)).toEqual(user);

  const change = { ...it, name: "Ada L.", etag: user.etag };
  const renamed = await admin.users.update(change);
  expect(renamed).toMatchObject({ name: "Ada L.", email: user.email, permissions });
  expect(await refusalOf(admin.users.update(change))).toMatchObject({ reason: "ETAG_MISMATCH" });
  const email = newEmail();
  expect(await admin.users.update({ ...it, email })).toMatchObject({ email, name: "Ada L." });
  expect(await admin.users.update({ ...it, permissions: [] })).toMatchObject({ permissions: [] });

  expect(await admin.users.disable(it)).toMatchObject({ state: "disabled" });
  expect(await admin.users.enable(it)).toMatchObject({ state: "invited" });
  expect(await admin.users.delete(it)).toBeUndefined();
  expect(await refusalOf(admin.users.get(it))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("repeated with its request id: one user", async () => {
  const params = { email: newEmail(), requestId: crypto.randomUUID() };
  const first = await admin.users.create(params);
  expect(await admin.users.create(params)).toEqual(first);
  const again = refusalOf(admin.users.create({ email: first.email.toUpperCase() }));
  expect(await again).toMatchObject({ reason: "RESOURCE_ALREADY_EXISTS" });
});

test("list gives every user, page after page, oldest first", async () => {
  const created = [];
  for (let i = 0; i < 3; i++) created.push(await admin.users.create({ email: newEmail() }));
  const listed: User[] = [];
  for await (const user of admin.users.list({ pageSize: 2 })) listed.push(user);
  expect(listed[0]?.email).toBe(administrator.email);
  expect(listed.slice(-3)).toEqual(created);
  const { items, nextPageToken } = await admin.users.list({ pageSize: 2 }).page();
  expect(items).toEqual(listed.slice(0, 2));
  const next = await admin.users.list({ pageSize: 2, pageToken: nextPageToken }).page();
  expect(next.items).toEqual(listed.slice(2, 4));
});

test("an invitation: accepted without credentials, once, and then the user can log in", async () => {
  const user = await admin.users.create({ email: newEmail(), permissions: ["Accounts.read"] });
  const lost = await admin.users.invite({ userId: user.id });
  const invitation = await admin.users.invite({ userId: user.id });
  const { invitationToken } = invitation;
  expect(invitation.invitationLink).toBe(`${invitationPage}#${invitationToken}`);
  expect(invitation.expireTime.getTime()).toBeGreaterThan(Date.now());
  for (const shown of [JSON.stringify(invitation), inspect(invitation)]) {
    expect(shown).not.toContain(invitationToken);
  }
  const nobody = new Client({ baseUrl: service.httpUrl, accessKey: "sa_x", secretKey: "sk_x" });
  const accept = (token: string, chosen = password) =>
    nobody.users.acceptInvitation({ invitationToken: token, password: chosen });
  const invalid = { code: "unauthenticated", reason: "INVITATION_INVALID" };
  expect(await refusalOf(accept(lost.invitationToken))).toMatchObject(invalid);
  const short = refusalOf(accept(invitationToken, "short"));
  expect(await short).toMatchObject({ reason: "FIELD_INVALID" });

  const login = await accept(invitationToken);
  expect(login).toEqual({ organizationSlug: "myorg", email: user.email });
  expect(await refusalOf(accept(invitationToken))).toMatchObject(invalid);
  const client = new Client({ baseUrl: service.httpUrl, ...login, password });
  const me = { type: "user", id: user.id, permissions: ["Accounts.read"] };
  expect(await client.whoAmI()).toMatchObject(me);
  expect(await admin.users.get({ userId: user.id })).toMatchObject({ state: "active" });
  await client.close();
});

test("a user that is disabled has no session any more, and cannot log in", async () => {
  const { user, client } = await join();
  await client.whoAmI();
  await admin.users.disable({ userId: user.id });
  expect(await refusalOf(client.whoAmI())).toMatchObject({ reason: "LOGIN_FAILED" });
  await admin.users.enable({ userId: user.id });
  expect(await client.whoAmI()).toMatchObject({ id: user.id });
  await client.close();
});

test("nobody creates, invites or renames a user who may do more", async () => {
  const { client } = await join(["Users.read", "Users.write"]);
  const escalation = { code: "permission_denied", reason: "PERMISSION_ESCALATION" };
  const create = client.users.create({ email: newEmail(), permissions: ["ApiKeys.read"] });
  expect(await refusalOf(create)).toMatchObject(escalation);
  const { items } = await client.users.list().page();
  const userId = items[0]?.id as string;
  expect(await refusalOf(client.users.invite({ userId }))).toMatchObject(escalation);
  const rename = client.users.update({ userId, email: newEmail() });
  expect(await refusalOf(rename)).toMatchObject(escalation);
  const peer = await client.users.create({ email: newEmail(), permissions: ["Users.read"] });
  expect((await client.users.invite({ userId: peer.id })).invitationToken).toMatch(/^inv_/);
  await client.close();
});

test("the last administrator stays one", async () => {
  const { id: userId } = await admin.whoAmI();
  const last = { code: "failed_precondition", reason: "LAST_ADMINISTRATOR" };
  expect(await refusalOf(admin.users.disable({ userId }))).toMatchObject(last);
  expect(await refusalOf(admin.users.delete({ userId }))).toMatchObject(last);
});
