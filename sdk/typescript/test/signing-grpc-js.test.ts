import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  type ServiceError,
} from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { grpcSigningInterceptor } from "../src/grpc-js.ts";
import { EchoSchema, echo, echoRoutes } from "./support/echo.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const base = ["@method", "@authority", "@path", "content-digest"];
const serialize = (message: typeof echo) => Buffer.from(toBinary(EchoSchema, message));
const deserialize = (bytes: Buffer) => fromBinary(EchoSchema, bytes);

function open(target: string, options: ClientOptions = {}): Client {
  const interceptors = [grpcSigningInterceptor(key)];
  const client = new Client(target, credentials.createInsecure(), { interceptors, ...options });
  onTestFinished(() => client.close());
  return client;
}

function say(client: Client, write = serialize): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const path = "/test.v1.EchoService/Say";
    client.makeUnaryRequest(path, write, deserialize, echo, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

test.each(["", "dns:", "dns:///", "ipv4:"])(
  "unary call, target %s…: the signature holds",
  async (scheme) => {
    const server = await startServer(echoRoutes, { http2: true });
    const client = open(`${scheme}127.0.0.1:${server.port}`);
    expect(await say(client)).toMatchObject({ text: "grüße ✓" });
    await say(client);
    expect(server.requests).toHaveLength(2);
    const [first, second] = server.requests.map((request) => verify(request, key));
    expect(first?.components).toEqual(base);
    expect(second?.nonce).not.toBe(first?.nonce);
  },
);

test("server-streaming call: the signature holds", async () => {
  const server = await startServer(echoRoutes, { http2: true });
  const path = "/test.v1.EchoService/Watch";
  const client = open(`127.0.0.1:${server.port}`);
  const messages = [];
  for await (const message of client.makeServerStreamRequest(path, serialize, deserialize, echo)) {
    messages.push(message);
  }
  expect(messages).toHaveLength(2);
  expect(verify(server.requests[0] as never, key).components).toEqual(base);
});

test.each([{}, { "grpc.default_authority": "API.example.com" }])(
  "an authority is given, channel options %j: it is signed and sent",
  async (options) => {
    const server = await startServer(echoRoutes, { http2: true });
    const interceptors = [grpcSigningInterceptor({ ...key, authority: "API.example.com" })];
    await say(open(`127.0.0.1:${server.port}`, { interceptors, ...options }));
    verify(server.requests[0] as never, key);
    expect(server.requests[0]?.authority).toBe("API.example.com");
  },
);

test("a message that cannot be serialised: told as INTERNAL, and nothing is sent", async () => {
  const server = await startServer(echoRoutes, { http2: true });
  const call = say(open(`127.0.0.1:${server.port}`), () => {
    throw new Error("too odd");
  });
  const error = (await call.catch((reason) => reason)) as ServiceError;
  expect(error.code).toBe(13);
  expect(error.details).toContain("too odd");
  expect(server.requests).toEqual([]);
});

test("a call that streams its requests: refused before anything is sent", async () => {
  const server = await startServer(echoRoutes, { http2: true });
  const path = "/test.v1.EchoService/Upload";
  const client = open(`127.0.0.1:${server.port}`);
  const upload = () => client.makeClientStreamRequest(path, serialize, deserialize, () => {});
  expect(upload).toThrow("streams its request");
  expect(server.requests).toEqual([]);
});

test("an interceptor before it may change the message: what it made of it is signed", async () => {
  const server = await startServer(echoRoutes, { http2: true });
  const changed = { ...echo, text: "changed" };
  const change: Interceptor = (options, next) =>
    new InterceptingCall(next(options), { sendMessage: (_, send) => send(changed) });
  const interceptors = [change, grpcSigningInterceptor(key)];
  const answer = await say(open(`127.0.0.1:${server.port}`, { interceptors }));
  expect(answer).toMatchObject({ text: "changed" });
  verify(server.requests[0] as never, key);
});
