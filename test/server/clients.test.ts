import { create, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { credentials, Client as GrpcClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import { signRequest } from "pdaas";
import { grpcSigningInterceptor } from "pdaas/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import {
  refusalOf,
  signedTransport,
  trailersRefusal,
  transport,
  transports,
  withHeaders,
} from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

describe.each(Object.keys(transports))("%s", (name) => {
  test("ok: a signed read and a signed change", async () => {
    const signed = signedTransport(name, service, key);
    const { organization } = await createClient(OrganizationService, signed).getOrganization({});
    expect(organization?.slug).toBe("myorg");
    const { serviceAccount } = await createClient(
      ServiceAccountService,
      signed,
    ).createServiceAccount({ accountId: "acc-123", name: `by ${name}` });
    expect(serviceAccount?.name).toBe(`by ${name}`);
  });

  test("refused: the wrong secret, and no signature", async () => {
    const wrong = signedTransport(name, service, { ...key, secretKey: `${key.secretKey}x` });
    const call = createClient(OrganizationService, wrong).getOrganization({});
    expect(await refusalOf(call)).toMatchObject({
      code: "unauthenticated",
      reason: "SIGNATURE_INVALID",
    });
    const unsigned = transport(name, service);
    expect(
      await refusalOf(createClient(OrganizationService, unsigned).getOrganization({})),
    ).toMatchObject({ code: "unauthenticated", reason: "SIGNATURE_MISSING" });
  });
});

describe("@grpc/grpc-js", () => {
  const { getOrganization } = OrganizationService.method;

  test("ok: a signed read", async () => {
    const response = await grpcJsCall(getOrganization, [grpcSigningInterceptor(key)]);
    expect(fromBinary(getOrganization.output, response)).toMatchObject({
      organization: { slug: "myorg" },
    });
  });

  test("refused: a signature of another path", async () => {
    const metadata = new Metadata();
    const url = `${service.grpcUrl}/pdaas.v1.AuthService/WhoAmI`;
    for (const [name, value] of Object.entries(
      signRequest({ ...key, method: "POST", url, body: new Uint8Array(5) }),
    )) {
      metadata.set(name, value);
    }
    const refused = await grpcJsCall(getOrganization, [], metadata).catch((error) => error);
    expect(refused.code).toBe(16);
    const details = refused.metadata.get("grpc-status-details-bin")[0].toString("base64");
    const trailers = {
      "grpc-status": refused.code,
      "grpc-message": encodeURIComponent(refused.details),
      "grpc-status-details-bin": details,
    };
    expect(trailersRefusal(trailers).reason).toBe("SIGNATURE_INVALID");
  });

  function grpcJsCall(
    method: DescMethodUnary,
    interceptors: ReturnType<typeof grpcSigningInterceptor>[],
    metadata = new Metadata(),
  ): Promise<Buffer> {
    const address = service.service.grpcAddress;
    const client = new GrpcClient(address, credentials.createInsecure(), { interceptors });
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message) => Buffer.from(toBinary(method.input, message)),
      (bytes) => bytes,
      create(method.input),
      metadata,
      (error: ServiceError | null, response?: Buffer) =>
        error === null ? resolve(response as Buffer) : reject(error),
    );
    return promise.finally(() => client.close());
  }
});

describe("a captured request", () => {
  const servers = {
    "gRPC server": { name: "connect-node gRPC, gRPC server", prefix: 5 },
    "HTTP server": { name: "connect-node gRPC, HTTP server", prefix: 5 },
    "HTTP server over Connect": { name: "connect-node Connect binary", prefix: 0 },
  };

  describe.each(Object.entries(servers))("%s", (_, { name, prefix }) => {
    const replayable = () => {
      const origin = name.endsWith("gRPC server") ? service.grpcUrl : service.httpUrl;
      const headers = signRequest({
        ...key,
        method: "POST",
        url: `${origin}/pdaas.v1.OrganizationService/GetOrganization`,
        body: new Uint8Array(prefix),
        contentType: prefix === 0 ? "application/proto" : undefined,
      });
      const made = transport(name, service, [withHeaders({ ...headers })]);
      const client = createClient(OrganizationService, made);
      return () => client.getOrganization({});
    };

    test("refused: the second use of a signature", async () => {
      const call = replayable();
      expect((await call()).organization?.slug).toBe("myorg");
      expect(await refusalOf(call())).toMatchObject({
        code: "unauthenticated",
        reason: "NONCE_REPLAYED",
      });
    });

    test("exactly one of 100 at once is admitted", async () => {
      const call = replayable();
      const answers = await Promise.all(
        Array.from({ length: 100 }, () =>
          call().then(
            () => "OK",
            (error) => refusalOf(Promise.reject(error)).then(({ reason }) => reason),
          ),
        ),
      );
      expect(answers.filter((answer) => answer === "OK")).toHaveLength(1);
      expect(answers.filter((answer) => answer === "NONCE_REPLAYED")).toHaveLength(99);
    });
  });

  test("is refused by the other server and by another replica", async () => {
    const replica = await service.replica();
    const url = `${service.httpUrl}/pdaas.v1.AuthService/WhoAmI`;
    const contentType = "application/json";
    const headers = signRequest({ ...key, method: "POST", url, body: "{}", contentType });
    const { host } = new URL(url);
    const send = (origin: string) =>
      post(origin, host, { "content-type": contentType, ...headers });
    expect((await send(service.httpUrl)).status).toBe(200);
    const second = await send(replica.httpUrl);
    expect(second.status).toBe(401);
    expect(await second.json()).toMatchObject({ code: "unauthenticated" });
  });
});

/** As a proxy passes a request on: to another origin, with the host that it was signed for. */
async function post(origin: string, host: string, headers: Record<string, string>) {
  const { request } = await import("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const sent = request(
    `${origin}/pdaas.v1.AuthService/WhoAmI`,
    { method: "POST", headers: { ...headers, host } },
    async (response) => {
      const chunks = await Array.fromAsync(response);
      resolve(new Response(Buffer.concat(chunks), { status: response.statusCode ?? 0 }));
    },
  );
  sent.on("error", reject);
  sent.end("{}");
  return promise;
}
