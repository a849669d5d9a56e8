import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { Client, PdaasError } from "../src/index.ts";
import { refusal } from "./support/refusal.ts";
import { startServer } from "./support/server.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };

function refusing(error: ConnectError) {
  return (router: ConnectRouter) => {
    router.service(OrganizationService, {
      getOrganization: (_, context) => {
        context.responseHeader.set("x-request-id", "req_header");
        throw error;
      },
    });
  };
}

async function failure(client: Client): Promise<PdaasError> {
  const error = await client.organizations.getInfo().catch((reason) => reason);
  expect(error).toBeInstanceOf(PdaasError);
  expect(error).toBeInstanceOf(Error);
  return error;
}

describe.each(["connect", "grpc"] as const)("over %s", (transport) => {
  const http2 = transport === "grpc";

  test("a refusal with every detail: all of it is told", async () => {
    const thrown = refusal(Code.InvalidArgument, "FIELD_INVALID", {
      message: "Correct the request.",
      metadata: { hint: "x" },
      retryAfterMs: 1_500,
      fieldViolations: [{ field: "name", description: "must not be empty" }],
    });
    const { baseUrl } = await startServer(refusing(thrown), { http2 });
    const error = await failure(new Client({ baseUrl, transport, ...key }));
    expect(error).toMatchObject({
      name: "PdaasError",
      code: "invalid_argument",
      reason: "FIELD_INVALID",
      message: "Correct the request.",
      requestId: "req_header",
      retryable: false,
      retryAfterMs: 1_500,
      fieldViolations: [{ field: "name", description: "must not be empty" }],
      metadata: { hint: "x" },
    });
    expect(error.cause).toBeInstanceOf(ConnectError);
  });

  test("a refusal by something else than the service: a code and no reason", async () => {
    const { baseUrl } = await startServer(refusing(new ConnectError("no", Code.PermissionDenied)), {
      http2,
    });
    const error = await failure(new Client({ baseUrl, transport, ...key }));
    expect(error).toMatchObject({ code: "permission_denied", metadata: {}, fieldViolations: [] });
    expect(error.reason).toBeUndefined();
    expect(error.retryAfterMs).toBeUndefined();
  });

  test("nobody listens: unavailable, with the network's error as the cause", async () => {
    const settings = { baseUrl: "http://127.0.0.1:1", transport, ...key, maxRetries: 0 };
    const error = await failure(new Client(settings));
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).toContain("ECONNREFUSED");
  });

  test("the caller gives up: cancelled, at once", async () => {
    const controller = new AbortController();
    const routes = (router: ConnectRouter) => {
      router.service(OrganizationService, {
        getOrganization: async () => {
          controller.abort(new Error("enough"));
          return await new Promise(() => {});
        },
      });
    };
    const { baseUrl } = await startServer(routes, { http2 });
    const client = new Client({ baseUrl, transport, ...key });
    const call = client.organizations.getInfo({ signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: "cancelled", retryable: false });
    const late = client.organizations.getInfo({ signal: controller.signal });
    await expect(late).rejects.toMatchObject({ code: "cancelled" });
  });

  test("no answer in time: deadline_exceeded", async () => {
    const routes = (router: ConnectRouter) => {
      router.service(OrganizationService, { getOrganization: () => new Promise(() => {}) });
    };
    const { baseUrl } = await startServer(routes, { http2 });
    const client = new Client({ baseUrl, transport, ...key, timeoutMs: 50 });
    await expect(client.organizations.getInfo()).rejects.toMatchObject({
      code: "deadline_exceeded",
    });
  });
});

test("every canonical code has its name", async () => {
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  const names = [];
  for (const code of codes) {
    const { baseUrl } = await startServer(refusing(new ConnectError("no", code)));
    names.push((await failure(new Client({ baseUrl, ...key, maxRetries: 0 }))).code);
  }
  expect(names).toEqual(
    (
      "cancelled unknown invalid_argument deadline_exceeded not_found already_exists " +
      "permission_denied resource_exhausted failed_precondition aborted out_of_range " +
      "unimplemented internal unavailable data_loss unauthenticated"
    ).split(" "),
  );
});
