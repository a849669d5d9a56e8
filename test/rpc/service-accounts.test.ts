import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;
const accountId = "acc-123";

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const make = (name = "Bot") => service.admin.serviceAccounts.create({ accountId, name });

describe("a service account", () => {
  test("is created active, and read as it was written", async () => {
    const created = await service.admin.serviceAccounts.create({
      accountId,
      name: "Bot",
      description: "Deploys",
      permissions: ["Accounts.read"],
    });
    expect(created).toMatchObject({ accountId, name: "Bot", state: "active" });
    expect(created.id).toMatch(/^svc_[0-9a-z]{26}$/);
    const read = await service.admin.serviceAccounts.get({ serviceAccountId: created.id });
    expect(read).toEqual(created);
  });

  test("changes only in the fields of the mask", async () => {
    const { id: serviceAccountId } = await service.admin.serviceAccounts.create({
      accountId,
      name: "Old",
      description: "Kept",
    });
    const updated = await service.admin.serviceAccounts.update({ serviceAccountId, name: "New" });
    expect(updated).toMatchObject({ name: "New", description: "Kept" });
  });

  test("is not changed with a stale etag", async () => {
    const { id: serviceAccountId, etag } = await make();
    await service.admin.serviceAccounts.update({ serviceAccountId, name: "First", etag });
    const late = service.admin.serviceAccounts.update({ serviceAccountId, name: "Late", etag });
    expect(await refusalOf(late)).toMatchObject({ code: "aborted", reason: "ETAG_MISMATCH" });
    const read = await service.admin.serviceAccounts.get({ serviceAccountId });
    expect(read.name).toBe("First");
  });

  test.each([
    ["is empty", []],
    ["names a field that cannot be changed", ["state"]],
    ["names a field that does not exist", ["nmae"]],
    ["names more than fields", ["*"]],
  ])("is not changed by a mask that %s", async (_, paths) => {
    const { id: serviceAccountId } = await make("Kept");
    const key = await service.issueKey();
    const client = createClient(
      ServiceAccountService,
      signedTransport("connect-node gRPC, gRPC server", service, key),
    );
    const update = { serviceAccountId, name: "Changed", updateMask: { paths } };
    expect(await refusalOf(client.updateServiceAccount(update))).toMatchObject({
      code: "invalid_argument",
      reason: "FIELD_MASK_INVALID",
    });
    const read = await service.admin.serviceAccounts.get({ serviceAccountId });
    expect(read.name).toBe("Kept");
  });

  test("of two changes at once with one etag, one is made", async () => {
    const { id: serviceAccountId, etag } = await make();
    const changes = await Promise.allSettled(
      ["A", "B"].map((name) =>
        service.admin.serviceAccounts.update({ serviceAccountId, name, etag }),
      ),
    );
    expect(changes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("goes through disable, enable, delete and undelete", async () => {
    const { id: serviceAccountId } = await make();
    const { serviceAccounts } = service.admin;
    expect((await serviceAccounts.disable({ serviceAccountId })).state).toBe("disabled");
    expect((await serviceAccounts.enable({ serviceAccountId })).state).toBe("active");
    const deleted = await serviceAccounts.delete({ serviceAccountId });
    expect(deleted.state).toBe("deleted");
    const days = (Number(deleted.purgeTime) - Number(deleted.deleteTime)) / 86_400_000;
    expect(days).toBe(30);
    expect(await refusalOf(serviceAccounts.enable({ serviceAccountId }))).toMatchObject({
      reason: "RESOURCE_DELETED",
    });
    expect((await serviceAccounts.undelete({ serviceAccountId })).state).toBe("active");
    expect(await refusalOf(serviceAccounts.undelete({ serviceAccountId }))).toMatchObject({
      reason: "RESOURCE_NOT_DELETED",
    });
  });

  test("is listed page by page, each once", async () => {
    const account = await service.admin.accounts.create({ accountId: "acc-paged" });
    const made: string[] = [];
    for (const name of ["a", "b", "c", "d", "e"]) {
      made.push((await service.admin.serviceAccounts.create({ accountId: account.id, name })).id);
    }
    const listed: string[] = [];
    const list = service.admin.serviceAccounts.list({ accountId: account.id, pageSize: 2 });
    for await (const { id } of list) listed.push(id);
    expect(listed.sort()).toEqual(made.sort());
  });

  test("is not created in an account that does not exist, nor twice by a retry", async () => {
    const missing = service.admin.serviceAccounts.create({ accountId: "acc-no", name: "x" });
    expect(await refusalOf(missing)).toMatchObject({ code: "not_found" });
    const request = { accountId, name: "Once", requestId: crypto.randomUUID() };
    const [first, second] = await Promise.all([
      service.admin.serviceAccounts.create(request),
      service.admin.serviceAccounts.create(request),
    ]);
    expect(second.id).toBe(first.id);
    const other = service.admin.serviceAccounts.create({ ...request, name: "Other" });
    expect(await refusalOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("hands out no more than its creator has", async () => {
    const key = await service.issueKey(["ServiceAccounts.write", "ApiKeys.write"]);
    const { serviceAccounts } = service.signed(key);
    const wider = serviceAccounts.create({ accountId, name: "x", permissions: ["*"] });
    expect(await refusalOf(wider)).toMatchObject({ reason: "PERMISSION_ESCALATION" });
    const strong = await service.issueKey(["*"]);
    const stolen = serviceAccounts.issueKey({ serviceAccountId: strong.serviceAccountId });
    expect(await refusalOf(stolen)).toMatchObject({ reason: "PERMISSION_ESCALATION" });
    const widened = serviceAccounts.update({
      serviceAccountId: key.serviceAccountId,
      permissions: ["*"],
    });
    expect(await refusalOf(widened)).toMatchObject({ reason: "PERMISSION_ESCALATION" });
    const { serviceAccountId } = strong;
    await service.admin.serviceAccounts.disable({ serviceAccountId });
    expect(await refusalOf(serviceAccounts.enable({ serviceAccountId }))).toMatchObject({
      reason: "PERMISSION_ESCALATION",
    });
    await service.admin.serviceAccounts.delete({ serviceAccountId });
    expect(await refusalOf(serviceAccounts.undelete({ serviceAccountId }))).toMatchObject({
      reason: "PERMISSION_ESCALATION",
    });
  });
});
