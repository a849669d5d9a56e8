import { inspect } from "node:util";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { grpcSigningInterceptor } from "../src/grpc-js.ts";
import { Client, type SigningKey, signingInterceptor } from "../src/index.ts";
import { EchoSchema, echo, echoRoutes } from "./support/echo.ts";
import { unavailable } from "./support/refusal.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const oldKey = { accessKey: "sa_myorg_acc123_old", secretKey: "sk_old" };
const newKey = {
  accessKey: "sa_myorg_acc123_new",
  secretKey: "sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA2nuKpf",
};
const organization = { id: "org_1", slug: "myorg", createTime: timestampFromMs(0) };

/** A service that waits before each answer, and then refuses as often as it is told to. */
async function serve(refusals = 0, http2 = false) {
  const gates: (() => void)[] = [];
  let left = refusals;
  const server = await startServer(
    (router) => {
      router.service(OrganizationService, {
        getOrganization: async () => {
          await new Promise<void>((resolve) => gates.push(resolve));
          if (left-- > 0) throw unavailable();
          return { organization };
        },
      });
    },
    { http2 },
  );
  const arrival = async (count: number) => expect.poll(() => gates.length).toBe(count);
  return { server, gates, arrival };
}

test.each([
  ["connect", false],
  ["grpc", true],
] as const)(
  "over %s: a call under way finishes, and later ones sign with the new key",
  async (transport, http2) => {
    const { server, gates, arrival } = await serve(0, http2);
    const client = new Client({ baseUrl: server.baseUrl, transport, ...oldKey });
    onTestFinished(() => client.close());
    const first = client.organizations.getInfo();
    await arrival(1);
    client.useKey(newKey);
    const second = client.organizations.getInfo();
    await arrival(2);
    for (const open of gates) open();
    await Promise.all([first, second]);
    verify(server.requests[0] as never, oldKey);
    verify(server.requests[1] as never, newKey);
  },
);

test("a retry after the switch signs with the new key", async () => {
  const { server, gates, arrival } = await serve(1);
  const client = new Client({ baseUrl: server.baseUrl, ...oldKey });
  const call = client.organizations.getInfo();
  await arrival(1);
  client.useKey(newKey);
  gates[0]?.();
  await arrival(2);
  gates[1]?.();
  expect((await call).slug).toBe("myorg");
  verify(server.requests[0] as never, oldKey);
  verify(server.requests[1] as never, newKey);
});

test("the client shows which key it signs with, and never a secret", () => {
  const client = new Client({ baseUrl: "https://api.example.com", ...oldKey });
  client.useKey({ ...newKey });
  for (const shown of [JSON.stringify(client), inspect(client)]) {
    expect(shown).toContain(newKey.accessKey);
    expect(shown).not.toContain("sk_");
  }
});

test("what is changed in the given object later changes nothing", async () => {
  const { server, gates, arrival } = await serve();
  const client = new Client({ baseUrl: server.baseUrl, ...oldKey });
  const given = { ...newKey };
  client.useKey(given);
  given.secretKey = "sk_wiped";
  const call = client.organizations.getInfo();
  await arrival(1);
  gates[0]?.();
  await call;
  verify(server.requests[0] as never, newKey);
});

test.each([
  [{ ...newKey, accessKey: "not one" }],
  [{ ...newKey, secretKey: "" }],
  [{ ...newKey, secretKey: `${newKey.secretKey.slice(0, -1)}x` }],
  [{ accessKey: newKey.accessKey }],
  [undefined],
])("%j is refused, and the client stays as it was", async (bad) => {
  const { server, gates, arrival } = await serve();
  const client = new Client({ baseUrl: server.baseUrl, ...oldKey });
  expect(() => client.useKey(bad as never)).toThrow(TypeError);
  const call = client.organizations.getInfo();
  await arrival(1);
  gates[0]?.();
  await call;
  verify(server.requests[0] as never, oldKey);
});

test("a bad key is not shown by its refusal", () => {
  const client = new Client({ baseUrl: "https://api.example.com", ...oldKey });
  const bad = { ...newKey, secretKey: "sk_mistyped" };
  const refusal = () => client.useKey(bad);
  expect(refusal).toThrow("checksum");
  expect(refusal).not.toThrow("mistyped");
});

test("a user's client has no key to replace", () => {
  const login = { email: "a@b.example", password: "p", organizationSlug: "myorg" };
  const client = new Client({ baseUrl: "https://api.example.com", ...login });
  expect(() => client.useKey(newKey)).toThrow(TypeError);
});

test("signingInterceptor asks a function for the key of each call", async () => {
  const { server, gates, arrival } = await serve();
  let key: SigningKey = oldKey;
  const transport = createConnectTransport({
    baseUrl: server.baseUrl,
    httpVersion: "1.1",
    interceptors: [signingInterceptor({ key: () => ({ ...key }) })],
  });
  const client = createClient(OrganizationService, transport);
  for (const [index, next] of [oldKey, oldKey, newKey].entries()) {
    key = next;
    const call = client.getOrganization({});
    await arrival(index + 1);
    gates[index]?.();
    await call;
    verify(server.requests[index] as never, next);
  }
});

test("grpcSigningInterceptor does, too", async () => {
  const server = await startServer(echoRoutes, { http2: true });
  let key: SigningKey = oldKey;
  const client = new GrpcClient(`127.0.0.1:${server.port}`, credentials.createInsecure(), {
    interceptors: [grpcSigningInterceptor({ key: () => key })],
  });
  onTestFinished(() => client.close());
  const say = () =>
    new Promise<void>((resolve, reject) => {
      const serialize = (message: typeof echo) => Buffer.from(toBinary(EchoSchema, message));
      const deserialize = (bytes: Buffer) => fromBinary(EchoSchema, bytes);
      const path = "/test.v1.EchoService/Say";
      client.makeUnaryRequest(path, serialize, deserialize, echo, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  await say();
  key = newKey;
  await say();
  verify(server.requests[0] as never, oldKey);
  verify(server.requests[1] as never, newKey);
});

test("a function's bad key is refused: the first at once", () => {
  const bad = { key: () => ({ accessKey: "", secretKey: "" }) };
  expect(() => signingInterceptor(bad)).toThrow(TypeError);
  expect(() => grpcSigningInterceptor(bad)).toThrow(TypeError);
});
