import { type AccessCheck, Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/ids.ts";
import { Actors } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let access: Client["access"];

const account = { type: "Account", id: "acc-123" };
const missing = { code: "not_found", reason: "RESOURCE_NOT_FOUND" };
const invalid = { code: "invalid_argument", reason: "FIELD_INVALID" };
const permit = (action: string, resource = "resource", condition = "") =>
  `permit (principal, action == Action::"${action}", ${resource})${condition};`;

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  access = service.admin.access;
});
afterAll(() => service[Symbol.asyncDispose]());

/** A bot that is held to one policy. */
async function held(text: string) {
  const policyId = await make.policy(text);
  return { ...(await make.bot({ policies: [policyId] })), policyId };
}

describe("an answer", () => {
  test("is what the call is answered", async () => {
    await service.admin.accounts.create({ accountId: "acc-456" });
    const texts = [
      permit("GetAccount", 'resource == Account::"acc-123"'),
      permit("CreateServiceAccount", 'resource in Account::"acc-456"'),
      permit("ListServiceAccounts", 'resource in Account::"acc-123"'),
      permit("ListApiKeys"),
      'forbid (principal, action == Action::"ListApiKeys", resource is Organization);',
      permit("ListAuditEvents", "resource", " when { context has apiKey }"),
      permit("GetAllowlist", `resource in Organization::"${service.organizationId}"`),
    ];
    const { id, client, key } = await held(texts.join("\n"));
    const accountOf = (accountId: string) => ({ type: "Account", id: accountId });
    const questions: [string, AccessCheck["resource"], () => Promise<unknown>][] = [
      ["GetAccount", account, () => client.accounts.get({ accountId: "acc-123" })],
      ["GetAccount", accountOf("acc-456"), () => client.accounts.get({ accountId: "acc-456" })],
      [
        "CreateServiceAccount",
        accountOf("acc-456"),
        () => client.serviceAccounts.create({ accountId: "acc-456", name: "Asked" }),
      ],
      [
        "CreateServiceAccount",
        account,
        () => client.serviceAccounts.create({ accountId: "acc-123", name: "Asked" }),
      ],
      [
        "ListServiceAccounts",
        account,
        () => client.serviceAccounts.list({ accountId: "acc-123" }).page(),
      ],
      ["ListServiceAccounts", undefined, () => client.serviceAccounts.list().page()],
      [
        "ListApiKeys",
        { type: "ServiceAccount", id },
        () => client.apiKeys.list({ serviceAccountId: id }).page(),
      ],
      ["ListApiKeys", undefined, () => client.apiKeys.list().page()],
      ["ListAuditEvents", undefined, () => client.auditEvents.list().page()],
      [
        "GetAllowlist",
        { type: "ApiKey", id: key.id },
        () => client.allowlists.getAllowlist({ resourceId: key.id }),
      ],
    ];
    const checks = questions.map(([action, resource]) => {
      return { principalId: id, apiKeyId: key.id, action, resource, address: "127.0.0.1" };
    });
    const decisions = await access.batchAuthorize({ checks });
    const calls: boolean[] = [];
    for (const [, , call] of questions) {
      calls.push(
        await call().then(
          () => true,
          () => false,
        ),
      );
    }
    expect(decisions.map(({ permitted }) => permitted)).toEqual(calls);
    expect(calls).toEqual([true, false, true, false, true, false, true, false, true, true]);
  });

  test("is by the address in whatever form it is written", async () => {
    const { id: principalId } = await held(
      permit(
        "GetAccount",
        "resource",
        ' when { context has address && context.address.isInRange(ip("192.0.2.0/24")) }',
      ),
    );
    const ask = async (address: string) => {
      const check = { principalId, action: "GetAccount", resource: account, address };
      return (await access.authorize(check)).permitted;
    };
    expect(await ask("192.0.2.7")).toBe(true);
    expect(await ask("::ffff:192.0.2.7")).toBe(true);
    expect(await ask("::FFFF:C000:0207")).toBe(true);
    for (const address of ["", "192.0.3.7", "::1", "64:ff9b::192.0.2.7", "2001:DB8::1"]) {
      expect(await ask(address), address).toBe(false);
    }
  });

  test.each(["192.0.2.7/32", "192.0.2.07", "fe80::1%eth0", "localhost", " 192.0.2.7"])(
    "is to no question from %j",
    async (address) => {
      const { id: principalId } = await make.bot();
      const check = { principalId, action: "GetAccount", resource: account, address };
      expect(await refusalOf(access.authorize(check))).toMatchObject(invalid);
    },
  );

  test("names no policy where something else refuses", async () => {
    const { id: principalId, key, policyId } = await held(permit("GetAccount"));
    const check = { principalId, apiKeyId: key.id, action: "GetAccount", resource: account };
    expect(await access.authorize(check)).toMatchObject({ permitted: true, policyIds: [policyId] });
    await service.admin.apiKeys.update({ apiKeyId: key.id, permissions: ["Users.read"] });
    const limited = { permitted: false, policyIds: [], obstacle: "permission_limit" };
    expect(await access.authorize(check)).toEqual(limited);
    await make.disableKey({ apiKeyId: key.id });
    expect(await access.authorize(check)).toEqual({ ...limited, obstacle: "api_key_not_active" });
    await service.admin.serviceAccounts.disable({ serviceAccountId: principalId });
    const stopped = { ...limited, obstacle: "service_account_not_active" };
    expect(await access.authorize(check)).toEqual(stopped);
    const { id: userId } = await make.invited({ permissions: ["*"] });
    const ofUser = { principalId: userId, action: "GetAccount", resource: account };
    expect(await access.authorize(ofUser)).toEqual({ ...limited, obstacle: "user_not_active" });
  });

  test("leaves no trace, and changes nothing", async () => {
    const { id: principalId } = await held(permit("GetAccount"));
    const state = () =>
      service.database.query(
        "select access_epoch, (select count(*) from audit_entries) + (select count(*) from audit_pending) as events from organizations",
      );
    const before = await state();
    await access.authorize({ principalId, action: "GetAccount", resource: account });
    await access.explain({ principalId, action: "GetAccount", resource: account });
    await access.listEffectivePermissions({ principalId });
    expect(await state()).toEqual(before);
  });

  test("of 100 questions is in their order, and of more is none", async () => {
    const { id: principalId } = await held(permit("GetAccount", 'resource == Account::"acc-7"'));
    const checks = Array.from({ length: 100 }, (_, i) => {
      const resource = { type: "Account", id: `acc-${i}` };
      return { principalId, action: "GetAccount", resource };
    });
    const decisions = await access.batchAuthorize({ checks });
    expect(decisions.map(({ permitted }) => permitted)).toEqual(checks.map((_, i) => i === 7));
    const tooMany = access.batchAuthorize({ checks: [...checks, ...checks.slice(0, 1)] });
    expect(await refusalOf(tooMany)).toMatchObject(invalid);
    expect(await refusalOf(access.batchAuthorize({ checks: [] }))).toMatchObject(invalid);
  });
});

describe("what is on the organization's own allowlist", () => {
  test("is judged by where it is, as everything else", async () => {
    const { organizationId, admin } = service;
    const entry = { resourceId: organizationId, cidr: "127.0.0.0/8" };
    const { id } = await admin.allowlists.add(entry);
    const scope = `resource in Organization::"${organizationId}"`;
    const { id: principalId, client } = await held(permit("GetAllowlistEntry", scope));
    const resource = { type: "AllowlistEntry", id };
    const check = { principalId, action: "GetAllowlistEntry", resource };
    expect(await access.authorize(check)).toMatchObject({ permitted: true });
    expect(await client.allowlists.get({ allowlistEntryId: id })).toMatchObject({ id });
    await admin.allowlists.remove({ allowlistEntryId: id });
  });
});

describe("a question", () => {
  test.each([
    "",
    "GetAcount",
    "getAccount",
    "WhoAmI",
    "Login",
    "Accounts.read",
    "*",
    "__proto__",
    "constructor",
    'Action::"GetAccount"',
    'Shop::Action::"refund"',
    '__proto__::Action::"constructor"',
    'constructor::Action::"toString"',
    'Shop::Action::"\\u0000"',
    'Shop::Action::"a" || true',
    "GetAccount\0",
    "x".repeat(201),
  ])("is not about the action %j", async (action) => {
    const { id: principalId } = await make.bot({ permissions: ["*"] });
    expect(await refusalOf(access.authorize({ principalId, action }))).toMatchObject(invalid);
  });

  const resources: [string, AccessCheck["resource"]][] = [
    ["of another type", { type: "User", id: "usr_1" }],
    ["of no type", { type: "Nothing", id: "1" }],
    ["of an application", { type: "Shop::Invoice", id: "1" }],
    ["of the type of actions", { type: "Action", id: "GetAccount" }],
    ["that is left out where it must not be", undefined],
    ["with attributes", { ...account, attributes: { name: "x" } }],
    ["in something that it is not in", { ...account, parents: [{ type: "Account", id: "x" }] }],
  ];
  test.each(resources)("is not about a resource %s", async (_, resource) => {
    const { id: principalId } = await make.bot({ permissions: ["*"] });
    const ask = access.authorize({ principalId, action: "GetAccount", resource });
    expect(await refusalOf(ask)).toMatchObject(invalid);
  });

  test("has no context of its own for what the service does itself", async () => {
    const { id: principalId } = await make.bot({ permissions: ["*"] });
    const check = { principalId, action: "GetAccount", resource: account };
    for (const more of [
      { context: { authentication: "session" } },
      { context: {} },
      { entities: [{ ...account, attributes: {} }] },
      { entities: [{ type: "Group", id: "grp_1", parents: [account] }] },
    ]) {
      expect(await refusalOf(access.authorize({ ...check, ...more }))).toMatchObject(invalid);
    }
  });

  test("is about who belongs to the organization, and a key that is its own", async () => {
    const [bot, other] = [await make.bot({ permissions: ["*"] }), await make.bot()];
    const { id: userId } = await make.user();
    const login = await addOrganization(service.database, "asked");
    const stranger = new Client({ baseUrl: service.httpUrl, ...login });
    const { id: strangerId } = await stranger.whoAmI();
    const check = { action: "GetAccount", resource: account };
    const questions: AccessCheck[] = [
      { ...check, principalId: newId("usr") },
      { ...check, principalId: newId("svc") },
      { ...check, principalId: strangerId },
      { ...check, principalId: bot.id, apiKeyId: newId("key") },
      { ...check, principalId: bot.id, apiKeyId: other.key.id },
      { ...check, principalId: userId, apiKeyId: bot.key.id },
    ];
    for (const question of questions) {
      expect(await refusalOf(access.authorize(question))).toMatchObject(missing);
      expect(await refusalOf(access.explain(question))).toMatchObject(missing);
      expect(await refusalOf(access.listEffectivePermissions(question))).toMatchObject(missing);
    }
    const theirs = { ...check, principalId: bot.id };
    expect(await refusalOf(stranger.access.authorize(theirs))).toMatchObject(missing);
  });

  test("about what belongs to nobody or to others is answered alike", async () => {
    const login = await addOrganization(service.database, "unseen");
    const stranger = new Client({ baseUrl: service.httpUrl, ...login });
    const theirs = await stranger.serviceAccounts.create({ accountId: "acc-123", name: "Theirs" });
    const { id: principalId } = await held(
      `${permit("GetServiceAccount", 'resource in Account::"acc-123"')}
      ${permit("ListApiKeys", `resource in Organization::"${service.organizationId}"`)}`,
    );
    for (const action of ["GetServiceAccount", "ListApiKeys"]) {
      const answers = [theirs.id, newId("svc")].map((id) =>
        access.authorize({ principalId, action, resource: { type: "ServiceAccount", id } }),
      );
      const [ofOthers, ofNobody] = await Promise.all(answers);
      expect(ofOthers).toEqual(ofNobody);
    }
  });
});

describe("ListEffectivePermissions", () => {
  const of = async (principalId: string, apiKeyId?: string) => {
    const all = await access.listEffectivePermissions({ principalId, apiKeyId });
    return new Map(all.map(({ action, conditional }) => [action, conditional]));
  };

  test("has what always is permitted, and what depends, and nothing that is always refused", async () => {
    const { id } = await held(
      [
        'permit (principal, action in [Action::"Accounts.read"], resource);',
        permit("GetApiKey", 'resource in Account::"acc-123"'),
        permit("GetUser", "resource", ' when { context.authentication == "session" }'),
        permit("GetGroup"),
        'forbid (principal, action == Action::"GetGroup", resource);',
        permit("GetPolicy"),
        'forbid (principal, action == Action::"GetPolicy", resource == Policy::"pol_viewer");',
        'permit (principal is User, action == Action::"ListUsers", resource);',
        'permit (principal in Group::"grp_1", action == Action::"ListGroups", resource);',
      ].join("\n"),
    );
    expect(Object.fromEntries(await of(id))).toEqual({
      GetAccount: false,
      ListAccounts: false,
      GetApiKey: true,
      GetUser: true,
      GetPolicy: true,
    });
  });

  test("has of a key what its limit leaves", async () => {
    const { id } = await make.bot({ permissions: ["*"] });
    const { key } = await make.withKey(id, { permissions: ["Accounts.read"] });
    expect([...(await of(id, key.id)).keys()].sort()).toEqual(["GetAccount", "ListAccounts"]);
    const all = await of(id);
    expect(all.size).toBeGreaterThan(50);
    expect([...all.values()].some((conditional) => conditional)).toBe(false);
  });
});
