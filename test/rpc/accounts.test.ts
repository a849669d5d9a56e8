import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

test("an account is created with the identifier that was asked for, or with one of its own", async () => {
  const { accounts } = service.admin;
  expect(await accounts.create({ accountId: "acc-456" })).toMatchObject({ id: "acc-456" });
  const { id } = await accounts.create({ name: "Ours" });
  expect(id).toMatch(/^acc-[0-9a-z]{12}$/);
  const listed = await Array.fromAsync(accounts.list(), (account) => account.id);
  expect(listed.sort()).toEqual(["acc-123", "acc-456", id].sort());
});

test("an identifier that is taken is refused, but for a retry of the same request", async () => {
  const request = { accountId: "acc-789", requestId: randomUUID() };
  const first = await service.admin.accounts.create(request);
  expect(await service.admin.accounts.create(request)).toEqual(first);
  const other = service.admin.accounts.create({ accountId: "acc-789" });
  expect(await refusalOf(other)).toMatchObject({
    code: "already_exists",
    reason: "RESOURCE_ALREADY_EXISTS",
  });
});
