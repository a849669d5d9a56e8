import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { service as healthService } from "grpc-health-check";
import { Client, signRequest } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GrpcMethod, refusalOf } from "../harness/clients.ts";
import { postHttp } from "../harness/raw.ts";
import { TestService } from "../harness/service.ts";

const origin = "https://console.example.com";
let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ PDAAS_CORS_ORIGINS: `${origin}, https://other.example` });
});
afterAll(() => service[Symbol.asyncDispose]());

test("/healthz, /readyz and /metrics answer", async () => {
  const key = await service.issueKey();
  await service.signed(key).organizations.getInfo();
  expect(await (await fetch(`${service.httpUrl}/healthz`)).json()).toEqual({ status: "alive" });
  expect(await (await fetch(`${service.httpUrl}/readyz`)).json()).toEqual({
    status: "ready",
    faults: {},
  });
  const metrics = await (await fetch(`${service.httpUrl}/metrics`)).text();
  expect(metrics).toMatch(/pdaas_calls_total\{rpc="GetOrganization",server="http",reason="OK"\} 1/);
  expect(metrics).toMatch(/pdaas_call_seconds_count\{rpc="GetOrganization",server="http"\} 1/);
  expect(metrics).toContain("process_cpu_seconds_total");
});

test("grpc.health.v1 says that it serves", async () => {
  const { Check } = healthService as never as Record<string, GrpcMethod>;
  const answer = await unary(Check as GrpcMethod, { service: "pdaas.v1.OrganizationService" });
  expect(answer).toMatchObject({ status: "SERVING" });
});

test("reflection lists every service of the contract", async () => {
  const file = new URL(
    "../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
    import.meta.url,
  );
  const definition = loadSync(file.pathname);
  const { ServerReflectionInfo } = definition[
    "grpc.reflection.v1.ServerReflection"
  ] as never as Record<string, GrpcMethod>;
  const { path, requestSerialize, responseDeserialize } = ServerReflectionInfo as GrpcMethod;
  const client = new GrpcClient(service.service.grpcAddress, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  stream.write({ listServices: "" });
  const answer = await new Promise<{ listServicesResponse: { service: { name: string }[] } }>(
    (resolve, reject) => stream.once("data", resolve).once("error", reject),
  );
  stream.end();
  client.close();
  const names = answer.listServicesResponse.service.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["pdaas.v1.AuthService", "pdaas.v1.AuditService"]));
});

function unary({ path, requestSerialize, responseDeserialize }: GrpcMethod, request: object) {
  const client = new GrpcClient(service.service.grpcAddress, credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
    error === null ? resolve(answer) : reject(error),
  );
  return promise.finally(() => client.close());
}

describe("a browser's page", () => {
  const preflight = (from: string) =>
    postHttp(
      `${service.httpUrl}/pdaas.v1.AuthService/Login`,
      { origin: from, "access-control-request-method": "POST" },
      "",
      "OPTIONS",
    );

  test("of a configured origin may call", async () => {
    const { status, headers } = await preflight(origin);
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe(origin);
    expect(headers["access-control-allow-headers"]).toMatch(
      /connect-protocol-version.*authorization/i,
    );
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
  });

  test.each(["https://evil.example", "null", `${origin}.evil.example`])(
    "of the origin %s may not",
    async (from) => {
      const { headers } = await preflight(from);
      expect(headers["access-control-allow-origin"]).toBeUndefined();
    },
  );
});

test("a configured authority is the only one that may be signed for", async () => {
  const narrow = await service.replica({ PDAAS_AUTHORITIES: "API.example.com:443" });
  const key = await service.issueKey();
  const client = new Client({ baseUrl: narrow.httpUrl, ...key });
  expect(await refusalOf(client.organizations.getInfo())).toMatchObject({
    reason: "SIGNATURE_COVERAGE",
  });
  const url = "https://api.example.com/pdaas.v1.AuthService/WhoAmI";
  const type = { "content-type": "application/json", host: "api.example.com" };
  const contentType = type["content-type"];
  const signature = signRequest({ ...key, method: "POST", url, contentType, body: "{}" });
  const there = `${narrow.httpUrl}/pdaas.v1.AuthService/WhoAmI`;
  expect((await postHttp(there, { ...type, ...signature }, "{}")).status).toBe(200);
});
