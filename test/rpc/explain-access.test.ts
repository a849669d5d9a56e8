import { createClient } from "@connectrpc/connect";
import { type AccessCheck, Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { Actors, type TestBot } from "../harness/actors.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let access: Client["access"];

const account = { type: "Account", id: "acc-123" };
const missing = { code: "not_found", reason: "RESOURCE_NOT_FOUND" };
const permit = (action: string) => `permit (principal, action == Action::"${action}", resource);`;

let bot: TestBot;
let other: TestBot;

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  access = service.admin.access;
  [bot, other] = [await make.bot(), await make.bot()];
});
afterAll(() => service[Symbol.asyncDispose]());

async function requestIdOf(call: Promise<unknown>): Promise<string> {
  const { requestId } = await call.then(
    () => ({ requestId: "" }),
    (error) => error,
  );
  await service.auditRows("request_id = $1", [requestId], 1);
  return requestId;
}

const calls: Record<string, [() => Promise<unknown>, string, () => AccessCheck["resource"]]> = {
  "to create something in an account": [
    () => bot.client.serviceAccounts.create({ accountId: "acc-123", name: "Refused" }),
    "CreateServiceAccount",
    () => account,
  ],
  "to create something in the organization": [
    () => bot.client.groups.create({ name: "Refused" }),
    "CreateGroup",
    () => ({ type: "Organization", id: service.organizationId }),
  ],
  "to make a key of a service account": [
    () => bot.client.apiKeys.issue({ serviceAccountId: bot.id }),
    "IssueApiKey",
    () => ({ type: "ServiceAccount", id: bot.id }),
  ],
  "to list all": [
    () => bot.client.serviceAccounts.list().page(),
    "ListServiceAccounts",
    () => ({ type: "Organization", id: service.organizationId }),
  ],
  "to list what is in an account": [
    () => bot.client.serviceAccounts.list({ accountId: "acc-123" }).page(),
    "ListServiceAccounts",
    () => account,
  ],
  "to get one": [
    () => bot.client.apiKeys.get({ apiKeyId: bot.key.id }),
    "GetApiKey",
    () => ({ type: "ApiKey", id: bot.key.id }),
  ],
  "to look at an allowlist": [
    () => bot.client.allowlists.list({ resourceId: bot.key.id }).page(),
    "ListAllowlistEntries",
    () => ({ type: "ApiKey", id: bot.key.id }),
  ],
  "to change a policy": [
    () => bot.client.policies.attach({ policyId: "pol_viewer", targetId: bot.id }),
    "AttachPolicy",
    () => ({ type: "Policy", id: "pol_viewer" }),
  ],
};
test.each(Object.keys(calls))("why a recorded call was refused %s", async (name) => {
  const [call, action, resource] = calls[name] as (typeof calls)[string];
  const requestId = await requestIdOf(call());
  const explained = await access.explain({ requestId });
  expect(explained).toMatchObject({
    decision: { permitted: false, policyIds: [], obstacle: undefined },
    check: {
      principalId: bot.id,
      apiKeyId: bot.key.id,
      action,
      resource: resource(),
      address: "127.0.0.1",
    },
    recordedReason: "PERMISSION_MISSING",
    statements: [],
  });
  // What it suggests is what mends it.
  const suggested = /permit \(.*\);/.exec(explained.remedies.join("\n"))?.[0] as string;
  const policyId = await make.policy(suggested, bot.id);
  expect((await access.explain({ requestId })).decision).toMatchObject({
    permitted: true,
    policyIds: [policyId],
  });
  await service.admin.policies.detach({ policyId, targetId: bot.id });
});

test("why a recorded call was refused by what forbids it, with the place of the statement", async () => {
  const text = `// Nobody looks at accounts.\n${permit("ListAccounts")}\n  forbid (\n    principal, action in [Action::"Accounts.read"], resource);`;
  const groupId = await make.group();
  const reader = await make.bot({ permissions: ["Accounts.read"] });
  await service.admin.groups.addMember({ groupId, memberId: reader.id });
  const policyId = await make.policy(text, groupId);
  const requestId = await requestIdOf(reader.client.accounts.get({ accountId: "acc-123" }));
  const explained = await access.explain({ requestId });
  expect(explained.statements).toEqual([
    expect.objectContaining({ policyId, targetId: groupId, forbids: true, line: 3 }),
  ]);
  expect(explained.remedies.join()).toContain(policyId);
  expect(explained.remedies.join()).toContain(groupId);
});

test("of one that was carried out, that nothing refused it", async () => {
  const policyId = await make.policy(permit("CreateServiceAccount"));
  const by = await make.bot({ policies: [policyId] });
  await by.client.serviceAccounts.create({ accountId: "acc-123", name: "Made" });
  const [event] = await service.auditRows(
    "action = 'CreateServiceAccount' and principal_id = $1",
    [by.id],
    1,
  );
  const explained = await access.explain({ requestId: event?.request_id as string });
  expect(explained).toMatchObject({
    recordedReason: undefined,
    decision: { permitted: true, policyIds: [policyId] },
    check: { resource: account },
  });
});

const notJudged: Record<string, () => Promise<string>> = {
  "a caller of the wrong kind": async () => {
    const key = { ...bot.key, apiKeyId: bot.key.id };
    const made = signedTransport("connect-node Connect JSON", service, key);
    const logout = createClient(AuthService, made).logout({});
    const error = await logout.then(
      () => undefined,
      (thrown) => thrown,
    );
    return requestIdOf(Promise.reject({ requestId: error.metadata.get("x-request-id") }));
  },
  "a signature that does not hold": () => {
    const { accessKey } = bot.key;
    const { secretKey } = other.key;
    return requestIdOf(make.signing({ accessKey, secretKey }).accounts.list().page());
  },
  "a login that failed": () => {
    const login = { organizationSlug: "myorg", email: "nobody@example.com", password: "x" };
    return requestIdOf(new Client({ baseUrl: service.httpUrl, ...login }).whoAmI());
  },
};
test.each(Object.keys(notJudged))("nothing of %s, in which policies had no say", async (name) => {
  const requestId = (await notJudged[name]?.()) as string;
  expect(await refusalOf(access.explain({ requestId }))).toMatchObject({
    code: "failed_precondition",
    reason: "CALL_NOT_JUDGED",
  });
});

test("nothing of a call that is not recorded, or another organization's", async () => {
  const login = await addOrganization(service.database, "explained");
  const stranger = new Client({ baseUrl: service.httpUrl, ...login });
  const requestId = await requestIdOf(bot.client.accounts.list().page());
  await access.explain({ requestId });
  expect(await refusalOf(stranger.access.explain({ requestId }))).toMatchObject(missing);
  for (const unknown of [`req_${"0".repeat(32)}`, "'; drop table users; --"]) {
    expect(await refusalOf(access.explain({ requestId: unknown }))).toMatchObject(missing);
  }
});

test("nothing of a call by somebody who is gone", async () => {
  const user = await make.user();
  const requestId = await requestIdOf(user.client.accounts.list().page());
  await service.admin.users.delete({ userId: user.id });
  expect(await refusalOf(access.explain({ requestId }))).toMatchObject(missing);
});
