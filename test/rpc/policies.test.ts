import { randomUUID } from "node:crypto";
import type { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { administratorPolicyId, managedPolicies } from "../../src/iam/managed-policies.ts";
import { newId } from "../../src/ids.ts";
import { Actors } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let policies: Client["policies"];

const text = 'permit (principal, action == Action::"GetAccount", resource);';
const missing = { code: "not_found", reason: "RESOURCE_NOT_FOUND" };
const taken = { code: "already_exists", reason: "RESOURCE_ALREADY_EXISTS" };
const stale = { code: "aborted", reason: "ETAG_MISMATCH" };

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  policies = service.admin.policies;
});
afterAll(() => service[Symbol.asyncDispose]());

describe("a policy", () => {
  test("is what was written, and counts only where it is attached", async () => {
    const written = `// Reads ★ accounts\n${text}\n\n// and no more\n`;
    const made = await policies.create({ name: "Reader", description: "Reads", text: written });
    expect(made).toMatchObject({ name: "Reader", text: written, managed: false });
    expect(await policies.get({ policyId: made.id })).toEqual(made);
    const { id: targetId, client } = await make.bot();
    const get = () => client.accounts.get({ accountId: "acc-123" });
    expect(await refusalOf(get())).toMatchObject({ reason: "PERMISSION_MISSING" });
    await policies.attach({ policyId: made.id, targetId });
    await get();
    await policies.detach({ policyId: made.id, targetId });
    expect(await refusalOf(get())).toMatchObject({ reason: "PERMISSION_MISSING" });
  });

  test("has a name of its own, which none that comes with the product has", async () => {
    const { id: policyId } = await policies.create({ name: "Own", text });
    const { id: otherId } = await policies.create({ name: "Other", text });
    const viewer = managedPolicies.at(-1)?.name as string;
    for (const name of ["Own", viewer]) {
      expect(await refusalOf(policies.create({ name, text }))).toMatchObject(taken);
      expect(await refusalOf(policies.update({ policyId: otherId, name }))).toMatchObject(taken);
    }
    await policies.update({ policyId, name: "Own", description: "Same name" });
    await policies.delete({ policyId });
    await policies.create({ name: "Own", text });
  });

  test("is created once by a request that is repeated", async () => {
    const request = { name: "Once", text, requestId: randomUUID() };
    const [first, second] = await Promise.all([policies.create(request), policies.create(request)]);
    expect(second.id).toBe(first.id);
    const other = policies.create({ ...request, text: text.replace("permit", "forbid") });
    expect(await refusalOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("changes only in what is given, and not with a stale etag", async () => {
    const { id: policyId, etag } = await policies.create({ name: "Before", text });
    const renamed = await policies.update({ policyId, name: "After", etag });
    expect(renamed).toMatchObject({ name: "After", text });
    expect(await refusalOf(policies.update({ policyId, name: "Late", etag }))).toMatchObject(stale);
    expect(await refusalOf(policies.delete({ policyId, etag }))).toMatchObject(stale);
    await policies.attach({ policyId, targetId: (await make.bot()).id });
    expect((await policies.get({ policyId })).etag).toBe(renamed.etag);
    const empty = policies.update({ policyId, text: "" });
    expect(await refusalOf(empty)).toMatchObject({ reason: "FIELD_INVALID" });
    expect(await policies.get({ policyId })).toEqual(renamed);
  });

  test("that changes, changes for all whom it is attached to, at their next call", async () => {
    const policyId = await make.policy(text);
    const bots = await Promise.all([make.bot(), make.bot(), make.bot()]);
    const groupId = await make.group({ policies: [policyId], members: [bots[1].id] });
    await policies.attach({ policyId, targetId: bots[0].id });
    await service.admin.accounts.create({ accountId: "acc-policies" });
    const inAccount = await make.bot({}, "acc-policies");
    await policies.attach({ policyId, targetId: "acc-policies" });
    const held = [bots[0], bots[1], inAccount];
    for (const { client } of held) await client.accounts.get({ accountId: "acc-123" });
    await policies.update({ policyId, text: text.replace("GetAccount", "ListAccounts") });
    for (const { client } of held) {
      expect(await refusalOf(client.accounts.get({ accountId: "acc-123" }))).toMatchObject({
        reason: "PERMISSION_MISSING",
      });
      await client.accounts.list().page();
    }
    expect(await refusalOf(bots[2].client.accounts.list().page())).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
    await service.admin.groups.delete({ groupId });
  });

  test("is kept while it is attached", async () => {
    const { id: targetId } = await make.bot();
    const policyId = await make.policy(text, targetId);
    const refusal = await refusalOf(policies.delete({ policyId }));
    expect(refusal).toMatchObject({ code: "failed_precondition", reason: "POLICY_ATTACHED" });
    expect(refusal.message).toContain(targetId);
    await policies.detach({ policyId, targetId });
    await policies.delete({ policyId });
    expect(await refusalOf(policies.get({ policyId }))).toMatchObject(missing);
    expect(await refusalOf(policies.delete({ policyId }))).toMatchObject(missing);
    expect(await refusalOf(policies.attach({ policyId, targetId }))).toMatchObject(missing);
    expect(await refusalOf(policies.detach({ policyId, targetId }))).toMatchObject(missing);
  });

  test("has texts that Postgres could not keep in JSON", async () => {
    const odd = `permit (principal, action, resource) when { context.requestId == "a\\0b" };`;
    const { id: policyId } = await policies.create({ name: "Odd", text: odd });
    const { id: targetId, client } = await make.bot();
    await policies.attach({ policyId, targetId });
    expect(await refusalOf(client.accounts.list().page())).toMatchObject({
      reason: "PERMISSION_MISSING",
    });
    expect((await policies.get({ policyId })).text).toBe(odd);
    await policies.update({ policyId, text });
  });

  test("is one of 1,000 at most", async () => {
    const { organizationId } = service;
    const [count] = await service.database.query<{ count: string }>(
      "select count(*) from policies where organization_id = $1",
      [organizationId],
    );
    await service.database.query(
      `insert into policies (id, organization_id, name, description, text, statements)
        select 'pol_full' || n, $1, 'Full ' || n, '', $2, '[]'
        from generate_series(1, 1000 - $3::int) n`,
      [organizationId, text, Number(count?.count)],
    );
    expect(await refusalOf(policies.create({ name: "One more", text }))).toMatchObject({
      code: "resource_exhausted",
      reason: "LIMIT_REACHED",
    });
    await service.database.query("delete from policies where id like 'pol_full%'");
    await policies.create({ name: "One more", text });
  });
});

describe("a policy that comes with the product", () => {
  test.each(managedPolicies.map(({ id }) => id))("%s cannot be changed", async (policyId) => {
    const got = await policies.get({ policyId });
    expect(got).toMatchObject({ managed: true, createTime: undefined, updateTime: undefined });
    const managed = { code: "failed_precondition", reason: "POLICY_MANAGED" };
    const update = policies.update({ policyId, text: "forbid (principal, action, resource);" });
    expect(await refusalOf(update)).toMatchObject(managed);
    expect(await refusalOf(policies.delete({ policyId }))).toMatchObject(managed);
    expect(await policies.get({ policyId })).toEqual(got);
  });

  test("is listed first, and then the organization's own, each once on pages of any size", async () => {
    for (let i = 0; i < 3; i++) await make.policy(text);
    const all = await Array.fromAsync(policies.list());
    expect(all.slice(0, managedPolicies.length).map(({ id }) => id)).toEqual(
      managedPolicies.map(({ id }) => id),
    );
    const own = all.slice(managedPolicies.length).map(({ id }) => id);
    expect(own).toEqual(own.toSorted());
    for (const pageSize of [1, 2, 4, 5, 6, 7, 200]) {
      expect(await Array.fromAsync(policies.list({ pageSize })), `${pageSize}`).toEqual(all);
    }
    const [own1, own2] = own;
    const { nextPageToken } = await policies.list({ pageSize: managedPolicies.length + 1 }).page();
    expect((await policies.list({ pageToken: nextPageToken }).page()).items[0]?.id).toBe(own2);
    expect(own1).not.toBe(own2);
  });

  test("is given out by whom it is attached to", async () => {
    const by = await make.bot({ permissions: ["Policies.write"], policies: ["pol_auditor"] });
    const { id: targetId, client } = await make.bot();
    await by.client.policies.attach({ policyId: "pol_auditor", targetId });
    await client.auditEvents.list().page();
  });
});

describe("an attachment", () => {
  test("is to whatever there is, once", async () => {
    const policyId = await make.policy(text);
    const targets = [
      (await make.invited()).id,
      (await make.bot()).id,
      await make.group(),
      "acc-123",
      service.organizationId,
    ];
    for (const targetId of targets) {
      const attached = await policies.attach({ policyId, targetId });
      expect(attached).toMatchObject({ policyId, targetId });
      expect(await policies.attach({ policyId, targetId })).toEqual(attached);
    }
    const listed = await Array.fromAsync(policies.listAttachments({ policyId, pageSize: 2 }));
    expect(listed.map(({ targetId }) => targetId)).toEqual(targets);
    for (const targetId of targets) {
      await policies.detach({ policyId, targetId });
      await policies.detach({ policyId, targetId });
    }
    expect(await Array.fromAsync(policies.listAttachments({ policyId }))).toEqual([]);
  });

  test.each([
    ["a user", () => newId("usr")],
    ["a service account", () => newId("svc")],
    ["a group", () => newId("grp")],
    ["another organization", () => newId("org")],
    ["an account", () => "acc-missing"],
  ])("is not to %s that there is not", async (_, makeId) => {
    const targetId = makeId();
    const policyId = await make.policy(text);
    expect(await refusalOf(policies.attach({ policyId, targetId }))).toMatchObject(missing);
    expect(await Array.fromAsync(policies.listAttachments({ targetId }))).toEqual([]);
  });

  test("is not of a policy that there is not", async () => {
    const { id: targetId } = await make.bot();
    for (const policyId of [newId("pol"), "pol_nothing_that_comes_with_it"]) {
      expect(await refusalOf(policies.attach({ policyId, targetId }))).toMatchObject(missing);
    }
  });

  test("is one of 50 at most to one target", async () => {
    const { id: targetId } = await make.bot();
    const [first = ""] = await Promise.all(Array.from({ length: 3 }, () => make.policy(text)));
    await policies.attach({ policyId: first, targetId });
    await service.database.query(
      `insert into policy_attachments (organization_id, policy_id, target_id)
        select $1, 'pol_filler_' || n, $2 from generate_series(1, 49) n`,
      [service.organizationId, targetId],
    );
    const policyId = await make.policy(text);
    expect(await refusalOf(policies.attach({ policyId, targetId }))).toMatchObject({
      code: "resource_exhausted",
      reason: "LIMIT_REACHED",
    });
    // What is attached already stays so, whoever attaches it again.
    await policies.attach({ policyId: first, targetId });
    await policies.detach({ policyId: first, targetId });
    await policies.attach({ policyId, targetId });
  });

  test("that two make at once is one", async () => {
    const policyId = await make.policy(text);
    const { id: targetId } = await make.bot();
    const [a, b] = await Promise.all([
      policies.attach({ policyId, targetId }),
      policies.attach({ policyId, targetId }),
    ]);
    expect(a).toEqual(b);
    expect(await Array.fromAsync(policies.listAttachments({ policyId }))).toEqual([a]);
  });

  test("to a policy that is deleted at once is made or not, and never half", async () => {
    const { id: targetId } = await make.bot();
    for (let round = 0; round < 5; round++) {
      const policyId = await make.policy(text);
      const outcomes = await Promise.allSettled([
        policies.attach({ policyId, targetId }),
        policies.delete({ policyId }),
      ]);
      const attached = await Array.fromAsync(policies.listAttachments({ policyId }));
      const isThere = await policies.get({ policyId }).then(
        () => true,
        () => false,
      );
      expect(attached).toHaveLength(isThere ? 1 : 0);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    }
  });
});

describe("the policy schema", () => {
  const shop = "namespace Shop { entity Invoice in [Account]; };";

  test("is not changed with a stale etag, or so that a policy is not valid any more", async () => {
    const declared = `namespace Shop {
      entity Invoice in [Account];
      action refund appliesTo { principal: [User, ServiceAccount], resource: Invoice };
    }`;
    const { etag } = await policies.getSchema();
    const changed = await policies.updateSchema({ applicationText: declared, etag });
    expect(changed.applicationText).toBe(declared);
    const late = policies.updateSchema({ applicationText: "", etag });
    expect(await refusalOf(late)).toMatchObject(stale);
    const policyId = await make.policy(
      'permit (principal, action == Shop::Action::"refund", resource);',
    );
    const without = await refusalOf(policies.updateSchema({ applicationText: "" }));
    expect(without).toMatchObject({ reason: "FIELD_INVALID" });
    expect(without.message).toContain(policyId);
    expect(await policies.getSchema()).toEqual(changed);
    await policies.delete({ policyId });
    await policies.updateSchema({ applicationText: "" });
  });

  test.each([
    ["without a namespace", "entity Invoice;", "namespace"],
    ["with a fault", `${shop} nonsense`, "line 1"],
    ["of what is the service's own", "namespace Shop { entity Account; } entity User;", "User"],
    [
      "with an action in a group of the service",
      'namespace Shop { action x in [Action::"Users.read"]; }',
      "group",
    ],
    [
      "with actions in a circle",
      'namespace Shop { action "x" in ["y"]; action "y" in ["x"]; }',
      "cycle",
    ],
    [
      "that is too deep",
      `namespace Shop { entity Invoice = { a: ${"{ a: ".repeat(300)}Long${" }".repeat(300)} }; }`,
      "deep",
    ],
    ["with what Cedar keeps for itself", "namespace __cedar { entity X; }", "__cedar"],
  ])("is not one %s", async (_, applicationText, hint) => {
    const before = await policies.getSchema();
    const refusal = await refusalOf(policies.updateSchema({ applicationText }));
    expect(refusal).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
    expect(refusal.message).toContain(hint);
    expect(await policies.getSchema()).toEqual(before);
  });

  test("is for those who may do everything", async () => {
    const by = await make.bot({ permissions: ["PolicySchemas.write"] });
    expect(await refusalOf(by.client.policies.updateSchema({ applicationText: "" }))).toMatchObject(
      {
        reason: "PERMISSION_ESCALATION",
      },
    );
    const boss = await make.bot({ policies: [administratorPolicyId] });
    await boss.client.policies.updateSchema({ applicationText: "" });
  });
});
