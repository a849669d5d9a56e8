import { type DescMethod, equals } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { describe, expect, test } from "vitest";
import { signingInterceptor } from "../src/index.ts";
import { EchoSchema, EchoService, echo, echoRoutes } from "./support/echo.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_gar\u00fcn_test" };
const base = ["@method", "@authority", "@path", "content-digest"];
const withType = [...base, "content-type"];
const { say, watch, upload, chat } = EchoService.method as Record<string, DescMethod & never>;

async function* once<T>(value: T) {
  yield value;
}

async function callUnary(transport: Transport) {
  const answer = await transport.unary(say as never, undefined, 5_000, {}, echo);
  expect(equals(EchoSchema, answer.message, echo)).toBe(true);
}

async function callStream(transport: Transport) {
  const answer = await transport.stream(watch as never, undefined, 5_000, {}, once(echo));
  const messages = [];
  for await (const message of answer.message) messages.push(message);
  expect(messages).toHaveLength(2);
}

interface Case {
  name: string;
  http2?: true;
  components: string[];
  transport(baseUrl: string, interceptors: Interceptor[]): Transport;
}

const http1 = { httpVersion: "1.1" } as const;
const http2 = { httpVersion: "2" } as const;
const json = { useBinaryFormat: false };
const binary = { useBinaryFormat: true };
const cases: Case[] = [
  {
    name: "connect-node, Connect, binary, HTTP/1.1",
    components: withType,
    transport: (baseUrl, interceptors) =>
      node.createConnectTransport({ baseUrl, interceptors, ...http1 }),
  },
  {
    name: "connect-node, Connect, JSON, HTTP/2",
    http2: true,
    components: withType,
    transport: (baseUrl, interceptors) =>
      node.createConnectTransport({ baseUrl, interceptors, ...http2, ...json }),
  },
  {
    name: "connect-node, gRPC, binary",
    http2: true,
    components: base,
    transport: (baseUrl, interceptors) => node.createGrpcTransport({ baseUrl, interceptors }),
  },
  {
    name: "connect-node, gRPC, JSON",
    http2: true,
    components: withType,
    transport: (baseUrl, interceptors) =>
      node.createGrpcTransport({ baseUrl, interceptors, ...json }),
  },
  {
    name: "connect-node, gRPC-Web, binary",
    components: base,
    transport: (baseUrl, interceptors) =>
      node.createGrpcWebTransport({ baseUrl, interceptors, ...http1 }),
  },
  {
    name: "connect-node, gRPC-Web, JSON",
    components: withType,
    transport: (baseUrl, interceptors) =>
      node.createGrpcWebTransport({ baseUrl, interceptors, ...http1, ...json }),
  },
  {
    name: "connect-web, Connect, binary",
    components: withType,
    transport: (baseUrl, interceptors) =>
      web.createConnectTransport({ baseUrl, interceptors, ...binary }),
  },
  {
    name: "connect-web, Connect, JSON",
    components: withType,
    transport: (baseUrl, interceptors) => web.createConnectTransport({ baseUrl, interceptors }),
  },
  {
    name: "connect-web, gRPC-Web, binary",
    components: base,
    transport: (baseUrl, interceptors) => web.createGrpcWebTransport({ baseUrl, interceptors }),
  },
];

describe.each(cases)("$name", ({ transport, components, ...options }) => {
  test.each([
    ["unary", callUnary],
    ["server-streaming", callStream],
  ] as const)("%s call: the signature holds for the bytes that arrived", async (_, call) => {
    const server = await startServer(echoRoutes, options);
    const open = transport(server.baseUrl, [signingInterceptor(key)]);
    await call(open);
    await call(open);
    expect(server.requests).toHaveLength(2);
    const [first, second] = server.requests.map((request) => verify(request, key));
    // Connect streams have a content type of their own, which is covered like any.
    expect(first?.components).toEqual(components);
    expect(second?.nonce).not.toBe(first?.nonce);
  });
});

test("options of the transport's serialization: the same options make the signature hold", async () => {
  const server = await startServer(echoRoutes);
  const jsonOptions = { alwaysEmitImplicit: true, useProtoFieldName: true };
  const transport = node.createConnectTransport({
    baseUrl: server.baseUrl,
    ...http1,
    ...json,
    jsonOptions,
    interceptors: [signingInterceptor({ ...key, jsonOptions })],
  });
  await callUnary(transport);
  expect(verify(server.requests[0] as never, key).components).toEqual(withType);
});

test("an interceptor before it changes the message: what it made of it is signed", async () => {
  const server = await startServer(echoRoutes);
  const change: Interceptor = (next) => (request) =>
    next({ ...request, message: { ...request.message, text: "changed" } } as never);
  const transport = node.createConnectTransport({
    baseUrl: server.baseUrl,
    ...http1,
    interceptors: [change, signingInterceptor(key)],
  });
  await transport.unary(say as never, undefined, 5_000, {}, echo);
  verify(server.requests[0] as never, key);
  expect(server.requests[0]?.body.includes("changed")).toBe(true);
});

test("a clock that is given is the one signed with", async () => {
  const server = await startServer(echoRoutes);
  const transport = node.createConnectTransport({
    baseUrl: server.baseUrl,
    ...http1,
    interceptors: [signingInterceptor({ ...key, now: () => 1_700_000_000.9 })],
  });
  await callUnary(transport);
  expect(verify(server.requests[0] as never, key).created).toBe(1_700_000_000);
});

test.each([
  ["client-streaming", upload],
  ["bidirectional", chat],
])("%s call: refused before anything is sent", async (_, method) => {
  const server = await startServer(echoRoutes, { http2: true });
  const transport = node.createGrpcTransport({
    baseUrl: server.baseUrl,
    interceptors: [signingInterceptor(key)],
  });
  const call = transport.stream(method as never, undefined, 5_000, {}, once(echo));
  const error = await call.catch((reason) => reason);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.Unimplemented });
  expect(error.message).toContain("streams its request");
  expect(server.requests).toEqual([]);
});

test("a transport that compresses: refused before anything is sent", async () => {
  const server = await startServer(echoRoutes);
  const transport = node.createConnectTransport({
    baseUrl: server.baseUrl,
    ...http1,
    sendCompression: node.compressionGzip,
    interceptors: [signingInterceptor(key)],
  });
  await expect(callUnary(transport)).rejects.toThrow("cannot be compressed");
  expect(server.requests).toEqual([]);
});

test("a key that cannot be one: refused at once", () => {
  expect(() => signingInterceptor({ ...key, accessKey: 'sa"; tag="x' })).toThrow(TypeError);
  expect(() => signingInterceptor({ ...key, secretKey: "" })).toThrow(TypeError);
});
