import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditSinkService } from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { recordEvents } from "../harness/events.ts";
import { Receiver } from "../harness/receiver.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ PDAAS_ENV: "production" });
});
afterAll(() => service[Symbol.asyncDispose]());

const sinks = async () =>
  createClient(
    AuditSinkService,
    signedTransport("connect-node gRPC, gRPC server", service, await service.issueKey()),
  );

test.each([
  "http://127.0.0.1/",
  "http://localhost/",
  "https://127.0.0.1/",
  "https://localhost/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://[::1]/",
  "https://[::ffff:10.0.0.1]/",
  "https://10.0.0.1/",
  "https://169.254.169.254/latest/meta-data/",
  "https://there-is-no-such-host.invalid/",
])("in production a sink cannot be at %s", async (url) => {
  const client = await sinks();
  expect(await refusalOf(client.createAuditSink({ url }))).toMatchObject({
    code: "invalid_argument",
    reason: "AUDIT_SINK_URL_REFUSED",
  });
});

test("in production a sink that has come to be somewhere else is not delivered to", async () => {
  await using receiver = await Receiver.start();
  const { port } = new URL(receiver.url);
  const client = await sinks();
  // An address of the internet, which nothing is sent to: what it wants is not there yet.
  const { auditSink } = await client.createAuditSink({
    url: "https://93.184.215.14/",
    actions: ["Elsewhere"],
  });
  const auditSinkId = auditSink?.id ?? "";
  const refusedAt = async (url: string) => {
    await service.database.query(
      `update audit_sinks set url = $2, last_error = '', attempts = 0, next_attempt_time = now()
        where id = $1`,
      [auditSinkId, url],
    );
    await recordEvents(service, 1, { action: "Elsewhere" });
    const lastError = async () => (await client.getAuditSink({ auditSinkId })).auditSink?.lastError;
    await expect.poll(lastError, { timeout: 10_000 }).toContain("It was not sent");
  };
  await refusedAt(receiver.url);
  await refusedAt(`https://127.0.0.1:${port}/`);
  // Its name leads to this machine when it is looked up.
  await refusedAt(`https://localhost:${port}/`);
  expect(receiver.posts).toEqual([]);
});
