import { randomUUID } from "node:crypto";
import { Client } from "pdaas";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { Actors, password, type TestUser } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { administrator, TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let users: Client["users"];

const invitationInvalid = { code: "unauthenticated", reason: "INVITATION_INVALID" };
const { organizationSlug } = administrator;

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  users = service.admin.users;
});
afterAll(() => service[Symbol.asyncDispose]());

const logIn = (email: string, secret = password) =>
  new Client({ baseUrl: service.httpUrl, organizationSlug, email, password: secret }).whoAmI();
const accept = (invitationToken: string, secret = password) =>
  users.acceptInvitation({ invitationToken, password: secret });

describe("a user", () => {
  test("is known by an email address whose case does not matter", async () => {
    const made = await users.create({ email: "Ada@Example.com" });
    expect(made).toMatchObject({ email: "ada@example.com", name: "ada@example.com" });
    expect(made.state).toBe("invited");
    const again = users.create({ email: "ADA@example.COM" });
    expect(await refusalOf(again)).toMatchObject({
      code: "already_exists",
      reason: "RESOURCE_ALREADY_EXISTS",
    });
    const other = await users.create({ email: "bob@example.com" });
    const taken = users.update({ userId: other.id, email: "Ada@example.com" });
    expect(await refusalOf(taken)).toMatchObject({ reason: "RESOURCE_ALREADY_EXISTS" });
    expect(await users.update({ userId: made.id, email: "ADA@example.com" })).toMatchObject({
      email: "ada@example.com",
    });
  });

  test.each([
    ["an email address without @", { email: "ada" }],
    ["a permission that there is not", { permissions: ["Users.reed"] }],
    ["a permission twice", { permissions: ["Users.read", "Users.read"] }],
  ])("is not created or changed with %s", async (_, wrong) => {
    const created = users.create({ email: "right@example.com", ...wrong });
    expect(await refusalOf(created)).toMatchObject({ reason: "FIELD_INVALID" });
    const { id: userId } = await make.invited();
    const before = await users.get({ userId });
    expect(await refusalOf(users.update({ userId, ...wrong }))).toMatchObject({
      reason: "FIELD_INVALID",
    });
    expect(await users.get({ userId })).toEqual(before);
  });

  test("changes only in what is given, and not with a stale etag", async () => {
    const permissions = ["Users.read", "Accounts.read"];
    const { id: userId } = await make.invited({ permissions });
    const { etag, email } = await users.get({ userId });
    const renamed = await users.update({ userId, name: "Ada", etag });
    expect(renamed).toMatchObject({ name: "Ada", email, permissions: permissions.toSorted() });
    expect(renamed.etag).not.toBe(etag);
    const stale = { code: "aborted", reason: "ETAG_MISMATCH" };
    expect(await refusalOf(users.update({ userId, name: "Late", etag }))).toMatchObject(stale);
    const late = { userId, etag };
    expect(await refusalOf(users.disable(late))).toMatchObject(stale);
    expect(await refusalOf(users.enable(late))).toMatchObject(stale);
    expect(await refusalOf(users.delete(late))).toMatchObject(stale);
    expect(await users.get({ userId })).toEqual(renamed);
    const disabled = await users.disable({ userId, etag: renamed.etag });
    expect(await users.disable({ userId })).toEqual(disabled);
    const enabled = await users.enable({ userId });
    expect(await users.enable({ userId })).toEqual(enabled);
  });

  test("is created once by a request that is repeated", async () => {
    const request = { email: "once@example.com", requestId: randomUUID() };
    const [first, second] = await Promise.all([users.create(request), users.create(request)]);
    expect(second.id).toBe(first.id);
    const other = users.create({ ...request, name: "Other" });
    expect(await refusalOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    const byAnother = (await make.bot({ permissions: ["*"] })).client.users.create(request);
    expect(await refusalOf(byAnother)).toMatchObject({ reason: "RESOURCE_ALREADY_EXISTS" });
  });

  test("is listed once, page by page, oldest first", async () => {
    const all = await Array.fromAsync(users.list());
    const paged = await Array.fromAsync(users.list({ pageSize: 2 }));
    expect(paged).toEqual(all);
    expect(all[0]?.id).toBe(service.first.administrator.id);
    const times = all.map(({ createTime }) => createTime.getTime());
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
});

describe("an invitation", () => {
  test("is good for one user, once", async () => {
    const { id: userId, email } = await make.invited();
    expect(await refusalOf(logIn(email))).toMatchObject({ reason: "LOGIN_FAILED" });
    const { invitationToken, expireTime } = await users.invite({ userId });
    expect(invitationToken).toMatch(/^inv_\w{43}$/);
    expect(Math.round((expireTime.getTime() - Date.now()) / 86_400_000)).toBe(7);
    expect(await accept(invitationToken)).toEqual({ organizationSlug, email });
    expect(await users.get({ userId })).toMatchObject({ state: "active" });
    expect((await logIn(email)).id).toBe(userId);
    expect(await refusalOf(accept(invitationToken, "another long password"))).toMatchObject(
      invitationInvalid,
    );
    await logIn(email);
  });

  test("that two accept at once gives one of them a password", async () => {
    const { id: userId, email } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    const secrets = ["the first long password", "the second long password"];
    const outcomes = await Promise.allSettled(
      secrets.map((secret) => accept(invitationToken, secret)),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const winner = outcomes.findIndex(({ status }) => status === "fulfilled");
    await logIn(email, secrets[winner]);
    expect(await refusalOf(logIn(email, secrets[1 - winner]))).toMatchObject({
      reason: "LOGIN_FAILED",
    });
  });

  const voided: Record<string, (userId: string) => Promise<unknown>> = {
    "by a newer one": (userId) => users.invite({ userId }),
    "by a change of the email address": (userId) =>
      users.update({ userId, email: `moved-${userId}@example.com` }),
    "once the user is disabled, for good": async (userId) => {
      await users.disable({ userId });
      await users.enable({ userId });
    },
    "once the user is deleted": (userId) => users.delete({ userId }),
    "after a week": (userId) =>
      service.database.query("update invitations set expire_time = now() where user_id = $1", [
        userId,
      ]),
  };
  test.each(Object.keys(voided))("is void %s", async (name) => {
    const { id: userId } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    await voided[name]?.(userId);
    expect(await refusalOf(accept(invitationToken))).toMatchObject(invitationInvalid);
  });

  test("of a user who is disabled meanwhile is refused in the same words", async () => {
    const { id: userId } = await make.invited();
    await users.disable({ userId });
    const { invitationToken } = await users.invite({ userId });
    const refused = await refusalOf(accept(invitationToken));
    expect(refused).toMatchObject(invitationInvalid);
    expect(await refusalOf(accept(`inv_${"x".repeat(43)}`))).toEqual(refused);
    await users.enable({ userId });
    await accept(invitationToken);
  });

  test("is kept when the password is too short, and says so", async () => {
    const { id: userId } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    const short = await refusalOf(accept(invitationToken, "short"));
    expect(short).toMatchObject({ reason: "FIELD_INVALID" });
    expect(short.message).toContain("password");
    await accept(invitationToken);
  });

  test("changes nothing before it is accepted, and ends the sessions then", async () => {
    const user = await make.user();
    await user.client.whoAmI();
    const { invitationToken } = await users.invite({ userId: user.id });
    await user.client.whoAmI();
    await logIn(user.email);
    await accept(invitationToken, "another long password");
    // The client of the old session has only the old password to log in with.
    expect(await refusalOf(user.client.whoAmI())).toMatchObject({ reason: "LOGIN_FAILED" });
    await logIn(user.email, "another long password");
  });

  test("gives no power that the user had not, nor takes any", async () => {
    const permissions = ["Accounts.read"];
    const user = await make.user({ permissions });
    expect((await user.client.whoAmI()).permissions).toEqual(permissions);
  });

  test("is in no log, error or audit event, and only as a hash in the database", async () => {
    const { id: userId } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    const secret = "a password that nobody else has";
    const wrong = await refusalOf(accept(`${invitationToken}x`, secret));
    await accept(invitationToken, secret);
    const used = await refusalOf(accept(invitationToken, secret));
    await service.auditRows("action = 'AcceptInvitation' and resource_id = $1", [userId], 1);
    const rows = await service.database.query(
      `select e::text as row from audit_entries e union all select p::text from audit_pending p union all select i::text from invitations i
        union all select u::text from users u`,
    );
    const everywhere = JSON.stringify([wrong, used, service.log, rows]);
    expect(everywhere).not.toContain(invitationToken.slice(4));
    expect(everywhere).not.toContain(secret);
  });

  test("that is accepted is recorded, and so is who made it", async () => {
    const { id: userId } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    await accept(invitationToken);
    const events = await service.auditRows("resource_id = $1", [userId], 3);
    expect(events.map(({ action, principal_id }) => [action, principal_id])).toEqual([
      ["CreateUser", service.first.administrator.id],
      ["InviteUser", service.first.administrator.id],
      ["AcceptInvitation", userId],
    ]);
  });
});

describe("whoever tries invitations out", () => {
  beforeEach(() => service.database.query("delete from attempts"));

  test("is stopped for a while, also with a good one", async () => {
    const { id: userId } = await make.invited();
    const { invitationToken } = await users.invite({ userId });
    const guess = () => refusalOf(accept(`inv_${randomUUID()}`));
    for (let i = 0; i < 100; i++) expect(await guess()).toMatchObject(invitationInvalid);
    const throttled = { code: "resource_exhausted", reason: "INVITATION_THROTTLED" };
    const refusal = await refusalOf(accept(invitationToken));
    expect(refusal).toMatchObject(throttled);
    expect(refusal.retryAfterMs).toBeGreaterThan(0);
    await service.database.query("delete from attempts");
    await accept(invitationToken);
  });

  test("good ones do not count", async () => {
    const { id: userId } = await make.invited();
    for (let i = 0; i < 3; i++) await accept((await users.invite({ userId })).invitationToken);
    const attempts = await service.database.query("select * from attempts where attempts > 0");
    expect(attempts).toEqual([]);
  });
});

describe("a user who is stopped", () => {
  let user: TestUser;
  beforeEach(async () => {
    user = await make.user({ permissions: ["Accounts.read"] });
    await user.client.accounts.list().page();
  });

  test("by DisableUser has no session any more, and gets no other", async () => {
    const { id: userId, email, client } = user;
    await users.disable({ userId });
    expect(await refusalOf(client.accounts.list().page())).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    expect(await sessionsOf(userId)).toEqual([{ ended: true }]);
    await users.enable({ userId });
    expect(await sessionsOf(userId)).toEqual([{ ended: true }]);
    await logIn(email);
  });

  test("by DeleteUser is gone, with all that policies know of it", async () => {
    const { id: userId, email, client } = user;
    const policyId = await make.policy("forbid (principal, action, resource is User);", userId);
    const groupId = await make.group({ members: [userId] });
    await users.delete({ userId });
    expect(await refusalOf(client.accounts.list().page())).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    expect(await sessionsOf(userId)).toEqual([]);
    const { groups, policies } = service.admin;
    expect(await Array.fromAsync(groups.listMembers({ groupId }))).toEqual([]);
    expect(await Array.fromAsync(policies.listAttachments({ targetId: userId }))).toEqual([]);
    await policies.delete({ policyId });
    const calls = [
      () => users.get({ userId }),
      () => users.update({ userId, name: "Back" }),
      () => users.disable({ userId }),
      () => users.enable({ userId }),
      () => users.invite({ userId }),
      () => users.delete({ userId }),
    ];
    for (const call of calls) {
      expect(await refusalOf(call())).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
    }
    const again = await users.create({ email });
    expect(again.id).not.toBe(userId);
    expect((await service.auditRows("resource_id = $1", [userId], 1)).length).toBeGreaterThan(0);
  });

  test("cannot refresh its session", async () => {
    const { id: userId } = user;
    const answer = await post("AuthService/Login", {
      organizationSlug,
      email: user.email,
      password,
    });
    const { tokens } = (await answer.json()) as { tokens: Record<string, string> };
    await users.disable({ userId });
    await users.enable({ userId });
    const refreshed = await post("AuthService/RefreshSession", {
      refreshToken: tokens.refreshToken,
    });
    expect(refreshed.status).toBe(401);
    const { accessToken } = tokens;
    const called = await post("AuthService/WhoAmI", {}, { authorization: `Bearer ${accessToken}` });
    expect(called.status).toBe(401);
  });

  const sessionsOf = (userId: string) =>
    service.database.query(
      "select end_time is not null as ended from sessions where user_id = $1",
      [userId],
    );
  const post = (rpc: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${service.httpUrl}/pdaas.v1.${rpc}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
});

test("what a user may do changes with its permissions, policies and groups, at its next call", async () => {
  const { id, client } = await make.user();
  const list = () =>
    client.accounts
      .list()
      .page()
      .then(
        () => "OK",
        ({ reason }) => reason,
      );
  expect(await list()).toBe("PERMISSION_MISSING");
  await users.update({ userId: id, permissions: ["Accounts.read"] });
  expect(await list()).toBe("OK");
  await users.update({ userId: id, permissions: [] });
  expect(await list()).toBe("PERMISSION_MISSING");
  const groupId = await make.group({ policies: ["pol_viewer"] });
  await service.admin.groups.addMember({ groupId, memberId: id });
  expect(await list()).toBe("OK");
  await service.admin.groups.removeMember({ groupId, memberId: id });
  expect(await list()).toBe("PERMISSION_MISSING");
  await make.attach(administratorPolicyId, id);
  expect(await list()).toBe("OK");
  await service.admin.policies.detach({ policyId: administratorPolicyId, targetId: id });
  expect(await list()).toBe("PERMISSION_MISSING");
});
