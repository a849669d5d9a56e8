import type { Client } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../src/ids.ts";
import { Actors } from "../harness/actors.ts";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
let make: Actors;
let policies: Client["policies"];

const text = 'permit (principal, action == Action::"GetAccount", resource);';

beforeAll(async () => {
  service = await TestService.start();
  make = new Actors(service);
  policies = service.admin.policies;
});
afterAll(() => service[Symbol.asyncDispose]());

/** A service account that has just been refused. @returns its identifier, and the request's */
async function refused(policyIds: string[] = []) {
  const { id, client } = await make.bot({ policies: policyIds });
  const error = await client.accounts.get({ accountId: "acc-123" }).catch((thrown) => thrown);
  await service.auditRows("request_id = $1", [error.requestId], 1);
  return { id, requestId: error.requestId as string };
}

const change = (
  permittedNow: boolean,
  permittedThen: boolean,
  { id, requestId }: { id: string; requestId: string },
) =>
  expect.objectContaining({
    principalId: id,
    requestId,
    action: "GetAccount",
    resourceId: "acc-123",
    permittedNow,
    permittedThen,
  });

test("tells what a new policy would permit", async () => {
  const caller = await refused();
  const { changes, testedCalls } = await policies.testChange({ text, attachTo: [caller.id] });
  expect(changes).toEqual([change(false, true, caller)]);
  expect(testedCalls).toBeGreaterThan(1);
  const { changes: none } = await policies.testChange({ text, attachTo: [newId("svc")] });
  expect(none).toEqual([]);
});

test("tells what another text would permit, and what attaching it elsewhere", async () => {
  const listing = text.replace("GetAccount", "ListAccounts");
  const policyId = await make.policy(listing);
  const held = await refused([policyId]);
  const free = await refused();
  expect((await policies.testChange({ policyId, text })).changes).toEqual([
    change(false, true, held),
  ]);
  expect((await policies.testChange({ policyId, attachTo: [free.id] })).changes).toEqual([]);
  const both = await policies.testChange({ policyId, text, attachTo: [free.id] });
  expect(both.changes).toEqual([change(false, true, free), change(false, true, held)]);
  const moved = { policyId, text, attachTo: [free.id], detachFrom: [held.id] };
  expect((await policies.testChange(moved)).changes).toEqual([change(false, true, free)]);
});

test("tells what would not be permitted any more, and changes nothing", async () => {
  const policyId = await make.policy(
    'permit (principal, action == Action::"CreateServiceAccount", resource);',
  );
  const { id, client } = await make.bot({ policies: [policyId] });
  await client.serviceAccounts.create({ accountId: "acc-123", name: "Made" });
  await service.auditRows("action = 'CreateServiceAccount' and principal_id = $1", [id], 1);
  const expected = expect.objectContaining({
    principalId: id,
    action: "CreateServiceAccount",
    permittedNow: true,
    permittedThen: false,
  });
  const { changes } = await policies.testChange({ policyId, detachFrom: [id] });
  expect(changes).toEqual([expected]);
  const forbid = "forbid (principal, action, resource);";
  const { changes: forbidden } = await policies.testChange({ text: forbid, attachTo: [id] });
  expect(forbidden).toEqual([expected]);
  expect((await policies.testChange({ policyId })).changes).toEqual([]);
  await client.serviceAccounts.create({ accountId: "acc-123", name: "Made again" });
});

test("through a group and the organization, as through whoever called", async () => {
  const caller = await refused();
  const groupId = await make.group({ members: [caller.id] });
  for (const targetId of [groupId, service.organizationId, "acc-123"]) {
    const { changes } = await policies.testChange({ text, attachTo: [targetId] });
    expect(changes, targetId).toContainEqual(change(false, true, caller));
  }
});

test("of a text with a fault says so, and of a policy that there is not", async () => {
  const faulty = policies.testChange({ text: "permit (principal, action, resource)" });
  expect(await refusalOf(faulty)).toMatchObject({ reason: "FIELD_INVALID" });
  expect(await refusalOf(policies.testChange({}))).toMatchObject({ reason: "FIELD_INVALID" });
  const unknown = policies.testChange({ policyId: newId("pol"), text });
  expect(await refusalOf(unknown)).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});
