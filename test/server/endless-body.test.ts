import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectRefusal, grpcRefusal, postHttp, postHttp2, signedHeaders } from "../harness/raw.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const path = "/pdaas.v1.ServiceAccountService/CreateServiceAccount";
let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

const neverEnding = (sink: { write(chunk: Uint8Array): boolean }) => sink.write(Buffer.from("{"));

function http(headers: Record<string, string> = {}) {
  const url = service.httpUrl + path;
  const signed = signedHeaders(key, url, "application/json", "{}");
  return postHttp(url, { ...signed, ...headers }, neverEnding).then(connectRefusal);
}

function grpc(origin: string, headers: Record<string, string> = {}) {
  const url = origin + path;
  const signed = signedHeaders(key, url, "application/grpc", Buffer.alloc(5));
  return postHttp2(url, { te: "trailers", ...signed, ...headers }, neverEnding).then(grpcRefusal);
}

const refused = { code: "deadline_exceeded", reason: "DEADLINE_EXCEEDED" };

test("a body that never ends is given up at the caller's deadline", async () => {
  const began = performance.now();
  expect(await http({ "connect-timeout-ms": "300" })).toMatchObject(refused);
  expect(await grpc(service.httpUrl, { "grpc-timeout": "300m" })).toMatchObject(refused);
  expect(await grpc(service.grpcUrl, { "grpc-timeout": "300m" })).toMatchObject(refused);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("headers that never end are given up after ten seconds", async () => {
  const { hostname, port } = new URL(service.httpUrl);
  const socket = connect(Number(port), hostname);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\n`);
  const began = performance.now();
  await new Promise((resolve) => socket.once("close", resolve).resume());
  expect(performance.now() - began).toBeGreaterThan(8_000);
  expect(performance.now() - began).toBeLessThan(20_000);
});

test("without a deadline it is given up after half a minute", async () => {
  const began = performance.now();
  const answers = [http(), grpc(service.httpUrl), grpc(service.grpcUrl)];
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject(refused);
  expect(performance.now() - began).toBeGreaterThan(25_000);
}, 60_000);
