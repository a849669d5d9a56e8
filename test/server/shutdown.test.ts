import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { signingInterceptor } from "pdaas";
import { expect, test } from "vitest";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { type GrpcMethod, signedTransport, transport } from "../harness/clients.ts";
import { holdOrganization, waiting } from "../harness/locks.ts";
import { TestService } from "../harness/service.ts";

const both = ["connect-node gRPC, gRPC server", "connect-node Connect JSON"];

test("a shutdown finishes the calls in flight, and takes no new ones", async () => {
  const service = await TestService.start();
  const key = await service.issueKey();
  const holder = await holdOrganization(service);
  const calls = both.map((name) =>
    createClient(ServiceAccountService, signedTransport(name, service, key)).createServiceAccount({
      accountId: "acc-123",
      name: "In flight",
    }),
  );
  await waiting(service, 2);
  const closed = service.service.close();
  await expect
    .poll(() =>
      fetch(`${service.httpUrl}/healthz`).then(
        () => "up",
        () => "down",
      ),
    )
    .toBe("down");
  await holder.release();
  for (const { serviceAccount } of await Promise.all(calls)) {
    expect(serviceAccount?.name).toBe("In flight");
  }
  await closed;
  const made = "select name from service_accounts where name = 'In flight'";
  expect(await service.database.query(made)).toHaveLength(2);
  await service[Symbol.asyncDispose]();
});

test("a shutdown ends what does not end by itself, when its time is over", async () => {
  const service = await TestService.start({ PDAAS_SHUTDOWN_SECONDS: "1" });
  const { Watch } = healthService as never as { Watch: GrpcMethod };
  const client = new GrpcClient(service.service.grpcAddress, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = Watch;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
  stream.on("error", () => {});
  await new Promise((resolve) => stream.once("data", resolve));
  const began = performance.now();
  await service.service.close();
  expect(performance.now() - began).toBeLessThan(4_000);
  client.close();
  await service[Symbol.asyncDispose]();
});

test("a shutdown does not wait for a connection on which nothing comes", async () => {
  const service = await TestService.start({ PDAAS_SHUTDOWN_SECONDS: "1" });
  const { hostname, port } = new URL(service.grpcUrl);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  const began = performance.now();
  await service.service.close();
  expect(performance.now() - began).toBeLessThan(4_000);
  socket.destroy();
  await service[Symbol.asyncDispose]();
});

test("a process without Redis keeps its nonces in a folder that it makes", async () => {
  const dataDir = join(tmpdir(), `pdaas-${randomUUID()}`, "data");
  const service = await TestService.start({ PDAAS_REDIS_URL: "", PDAAS_DATA_DIR: dataDir });
  const key = await service.issueKey();
  await service.signed(key).organizations.getInfo();
  await service.service.close();
  expect(readFileSync(join(dataDir, "nonces"), "utf8")).toContain(key.apiKeyId);
  await service[Symbol.asyncDispose]();
  rmSync(dirname(dataDir), { recursive: true });
});

test.each(both)("a deadline is kept, and nothing is done after it: %s", async (name) => {
  await using service = await TestService.start();
  const key = await service.issueKey();
  const holder = await holdOrganization(service);
  const made = transport(name, service, [signingInterceptor(key)]);
  const call = createClient(ServiceAccountService, made).createServiceAccount(
    { accountId: "acc-123", name: "Late" },
    { timeoutMs: 400 },
  );
  const began = performance.now();
  // The client's own clock may ring first, without a reason; the code is the same.
  await expect(call).rejects.toMatchObject({ code: 4 });
  expect(performance.now() - began).toBeLessThan(3_000);
  await holder.release();
  await service.auditRows("reason in ('DEADLINE_EXCEEDED', 'CANCELLED')", [], 1);
  const late = "select id from service_accounts where name = 'Late'";
  expect(await service.database.query(late)).toEqual([]);
});

test.each(both)("a cancelled call changes nothing: %s", async (name) => {
  await using service = await TestService.start();
  const key = await service.issueKey();
  const holder = await holdOrganization(service);
  const controller = new AbortController();
  const call = createClient(ServiceAccountService, signedTransport(name, service, key))
    .createServiceAccount({ accountId: "acc-123", name: "Never" }, { signal: controller.signal })
    .catch((error) => error.code);
  await waiting(service, 1);
  controller.abort();
  expect(await call).toBe(1);
  // The cancellation is on its way to the server; what waits for the row must not outrun it.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await holder.release();
  await service.auditRows("reason = 'CANCELLED'", [], 1);
  const never = "select id from service_accounts where name = 'Never'";
  expect(await service.database.query(never)).toEqual([]);
});

test("a process that keeps nonces to itself does not share the database", async () => {
  await using service = await TestService.start();
  await expect(service.replica({ PDAAS_REDIS_URL: "" })).rejects.toThrow(/PDAAS_REDIS_URL/);
  await service.replica();
});

test("a database that was sealed with another master key is not opened", async () => {
  await using service = await TestService.start();
  const other = Buffer.alloc(32, 7).toString("base64");
  const wrong = service.replica({ PDAAS_MASTER_KEY: other });
  await expect(wrong).rejects.toThrow(/is sealed with the master key \w+.*PDAAS_MASTER_KEY/s);
  await expect(wrong).rejects.not.toThrow(other);
});
