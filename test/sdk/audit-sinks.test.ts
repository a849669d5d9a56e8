import { inspect } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { Receiver } from "../harness/receiver.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

test("a sink is made, changed, watched and deleted", async () => {
  const { auditSinks } = service.admin;
  await using receiver = await Receiver.start();
  receiver.behaviour = 500;
  const { secretKey, ...created } = await auditSinks.create({
    url: receiver.url,
    outcomes: ["refused"],
    actions: ["Watched"],
  });
  receiver.secretKey = secretKey;
  const { id: auditSinkId } = created;
  expect(created).toMatchObject({ enabled: true, outcomes: ["refused"], actions: ["Watched"] });
  await recordEvents(service, 2, { action: "Watched" });
  const attempts = async () => (await auditSinks.get({ auditSinkId })).attempts;
  await expect.poll(attempts, { timeout: 10_000 }).toBe(1);
  expect(await auditSinks.get({ auditSinkId })).toMatchObject({
    lastError: "The answer had the status 500.",
    nextAttemptTime: expect.any(Date),
  });
  await service.database.query(
    "update audit_sinks set attempts = 11, next_attempt_time = now() where id = $1",
    [auditSinkId],
  );
  const failed = () => Array.fromAsync(auditSinks.listFailedDeliveries({ auditSinkId }));
  await expect.poll(failed, { timeout: 10_000 }).toHaveLength(1);
  receiver.behaviour = 200;
  const [{ id: failedDeliveryId } = { id: "" }] = await failed();
  expect(await auditSinks.retryFailedDelivery({ failedDeliveryId })).toMatchObject({
    auditSinkId,
    retrying: true,
  });
  await expect.poll(failed, { timeout: 10_000 }).toEqual([]);
  expect(receiver.sequences.length).toBeGreaterThanOrEqual(2);
  const changed = await auditSinks.update({ auditSinkId, enabled: false, actions: [] });
  expect(changed).toMatchObject({ enabled: false, actions: [], outcomes: ["refused"] });
  const listed = await Array.fromAsync(auditSinks.list());
  expect(listed.map(({ id }) => id)).toEqual([auditSinkId]);
  await auditSinks.delete({ auditSinkId });
  expect(await refusalOf(auditSinks.get({ auditSinkId }))).toMatchObject({
    reason: "RESOURCE_NOT_FOUND",
  });
});

test("a secret is kept out of what is printed", async () => {
  const { auditSinks } = service.admin;
  const created = await auditSinks.create({ url: "http://127.0.0.1:1/", actions: ["Nothing"] });
  const rotated = await auditSinks.rotateSecret({ auditSinkId: created.id });
  expect(rotated.secretKey).toMatch(/^sk_/);
  expect(rotated.secretKey).not.toBe(created.secretKey);
  for (const each of [created, rotated]) {
    for (const text of [JSON.stringify(each), inspect(each)]) {
      expect(text).toContain("[redacted]");
      expect(text).not.toContain(each.secretKey);
    }
  }
});
