import { signRequest } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  connectRefusal,
  envelope,
  grpcRefusal,
  postHttp,
  postHttp2,
  type RawBody,
  signedHeaders,
} from "../harness/raw.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const create = "/pdaas.v1.ServiceAccountService/CreateServiceAccount";
const json = "application/json";
const grpc = "application/grpc";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

/** Sends a signed Connect request with a JSON body. */
async function sendJson(body: string | Uint8Array, path = create) {
  const url = service.httpUrl + path;
  return connectRefusal(await postHttp(url, signedHeaders(key, url, json, body), body));
}

/** Sends a signed gRPC request to one of the servers. */
async function sendGrpc(origin: string, body: Uint8Array, path = create) {
  const url = origin + path;
  return grpcRefusal(
    await postHttp2(url, { te: "trailers", ...signedHeaders(key, url, grpc, body) }, body),
  );
}

describe("JSON", () => {
  test.each([
    ["is not JSON", "{", "MESSAGE_MALFORMED"],
    ["is no object", "[]", "MESSAGE_MALFORMED"],
    ["has a value of the wrong type", '{"name":7}', "MESSAGE_MALFORMED"],
    ["is not UTF-8", Buffer.from('{"name":"\xff"}', "latin1"), "MESSAGE_MALFORMED"],
    ["has a field twice", '{"name":"a","name":"b"}', "MESSAGE_MALFORMED"],
    ["has a field that does not exist", '{"nmae":"x"}', "FIELD_UNKNOWN"],
    ["has text with a NUL", '{"accountId":"acc-123","name":"a\\u0000"}', "FIELD_INVALID"],
    ["has half a surrogate pair", '{"accountId":"acc-123","name":"\\ud800"}', "MESSAGE_MALFORMED"],
    ["breaks a rule of the contract", '{"accountId":"acc-123"}', "FIELD_INVALID"],
    [
      "asks for an unknown permission",
      '{"accountId":"acc-123","name":"x","permissions":["Everything"]}',
      "FIELD_INVALID",
    ],
    [
      "has a bad page token",
      '{"pageToken":"nonsense"}',
      "PAGE_TOKEN_INVALID",
      "/pdaas.v1.ServiceAccountService/ListServiceAccounts",
    ],
  ])("that %s is refused", async (_, body, reason, path = create) => {
    expect(await sendJson(body, path)).toEqual({ code: "invalid_argument", reason });
  });
});

test("JSON is JSON in whatever case its content type is written", async () => {
  const url = service.httpUrl + create;
  const type = "Application/JSON";
  const answer = await postHttp(url, signedHeaders(key, url, type, '{"nmae":1}'), '{"nmae":1}');
  expect(connectRefusal(answer).reason).toBe("FIELD_UNKNOWN");
});

test("a refusal that quotes half a character, or very much, is answered all the same", async () => {
  const url = `${service.httpUrl}/pdaas.v1.AuthService/Login`;
  const half = envelope(Buffer.from('{"\\ud800":1}'));
  const type = { "content-type": "application/grpc+json", te: "trailers" };
  expect(grpcRefusal(await postHttp2(url, type, half)).reason).toBe("FIELD_UNKNOWN");
  const permissions = Array.from({ length: 100 }, (_, i) => `No.such${i}`);
  const much = envelope(
    Buffer.from(JSON.stringify({ accountId: "acc-123", name: "x", permissions })),
  );
  const target = service.httpUrl + create;
  const headers = signedJson(target, much);
  expect(grpcRefusal(await postHttp2(target, headers, much))).toMatchObject({
    reason: "FIELD_INVALID",
  });
});

test("a list of a million items is refused without a word on each", async () => {
  const many = envelope(Buffer.from("2200".repeat(1_000_000), "hex"));
  const began = performance.now();
  const refusal = await sendGrpc(service.grpcUrl, many);
  expect(refusal).toMatchObject({ reason: "FIELD_INVALID" });
  expect(refusal.message).toContain("at most 1000 items");
  expect(performance.now() - began).toBeLessThan(5_000);
});

/** The headers of signed gRPC with JSON, whose content type must be covered. */
function signedJson(url: string, body: Uint8Array): Record<string, string> {
  const contentType = "application/grpc+json";
  const signature = signRequest({ ...key, method: "POST", url, contentType, body });
  return { "content-type": contentType, te: "trailers", ...signature };
}

test.each(["599H", "99999999M", "99999999S", "20H", "5S"])(
  "protobuf on the gRPC server with the deadline %s has that time",
  async (timeout) => {
    const url = `${service.grpcUrl}/pdaas.v1.AuthService/WhoAmI`;
    const body = envelope(Buffer.alloc(0));
    const headers = {
      te: "trailers",
      "grpc-timeout": timeout,
      ...signedHeaders(key, url, grpc, body),
    };
    expect((await postHttp2(url, headers, body)).trailers["grpc-status"]).toBe("0");
  },
);

describe.each(["gRPC server", "HTTP server"])("protobuf on the %s", (name) => {
  const origin = () => (name === "gRPC server" ? service.grpcUrl : service.httpUrl);

  test.each([
    ["is truncated", envelope(Buffer.from("0a10ff", "hex")), "MESSAGE_MALFORMED"],
    ["has a wrong wire type", envelope(Buffer.from("0d00000000", "hex")), "MESSAGE_MALFORMED"],
    ["has invalid UTF-8", envelope(Buffer.from("0a02c328", "hex")), "MESSAGE_MALFORMED"],
    ["has an unknown field", envelope(Buffer.from("f83f01", "hex")), "FIELD_UNKNOWN"],
    ["is shorter than its prefix says", envelope(Buffer.alloc(3), 9), "MESSAGE_MALFORMED"],
    [
      "comes twice",
      Buffer.concat([envelope(Buffer.alloc(0)), envelope(Buffer.alloc(0))]),
      "MESSAGE_MALFORMED",
    ],
    ["is missing", Buffer.alloc(0), "MESSAGE_MALFORMED"],
  ])("that %s is refused", async (_, body, reason) => {
    expect(await sendGrpc(origin(), body)).toMatchObject({ reason });
  });

  test("that is compressed is refused", async () => {
    const url = origin() + create;
    const body = envelope(Buffer.alloc(9), 9, 1);
    const headers = { ...signedHeaders(key, url, grpc, body), "grpc-encoding": "gzip" };
    expect(grpcRefusal(await postHttp2(url, { te: "trailers", ...headers }, body))).toMatchObject({
      code: "unimplemented",
      reason: "ENCODING_UNSUPPORTED",
    });
  });

  test("over 4 MiB is refused before it has arrived", async () => {
    const url = origin() + create;
    let sent = 0;
    const tooMuch: RawBody = (sink) => {
      const chunk = Buffer.alloc(65_536);
      sink.write(envelope(Buffer.alloc(0), 64 * 1024 * 1024));
      const timer = setInterval(() => {
        sent += chunk.length;
        if (sent >= 32 * 1024 * 1024) clearInterval(timer);
        sink.write(chunk);
      }, 0);
      timer.unref();
    };
    const headers = signedHeaders(key, url, grpc, Buffer.alloc(5));
    expect(
      grpcRefusal(await postHttp2(url, { te: "trailers", ...headers }, tooMuch)),
    ).toMatchObject({
      code: "resource_exhausted",
      reason: "MESSAGE_TOO_LARGE",
    });
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  test("of an unknown method is refused", async () => {
    const refusal = await sendGrpc(origin(), envelope(Buffer.alloc(0)), "/pdaas.v1.No/Thing");
    expect(refusal).toMatchObject({ code: "unimplemented", reason: "METHOD_UNKNOWN" });
  });

  test("whose body was changed after signing is refused", async () => {
    const url = origin() + create;
    const headers = signedHeaders(key, url, grpc, envelope(Buffer.from("0a0161", "hex")));
    const answer = await postHttp2(
      url,
      { te: "trailers", ...headers },
      envelope(Buffer.from("0a0162", "hex")),
    );
    expect(grpcRefusal(answer)).toMatchObject({
      code: "unauthenticated",
      reason: "DIGEST_MISMATCH",
    });
  });

  test("with its signature headers doubled is refused", async () => {
    const url = origin() + create;
    const body = envelope(Buffer.alloc(0));
    const { "signature-input": input = "", ...rest } = signedHeaders(key, url, grpc, body);
    const doubled = { te: "trailers", ...rest, "signature-input": [input, input] };
    expect(grpcRefusal(await postHttp2(url, doubled, body))).toMatchObject({
      reason: "SIGNATURE_MALFORMED",
    });
  });
});

describe("the HTTP server", () => {
  test("refuses a body over 4 MiB by its declared length, without reading it", async () => {
    const url = service.httpUrl + create;
    const headers = { ...signedHeaders(key, url, json, "{}"), "content-length": "5000000" };
    const answer = await postHttp(url, headers, (sink) => sink.write(Buffer.from("{")));
    expect(connectRefusal(answer)).toEqual({
      code: "resource_exhausted",
      reason: "MESSAGE_TOO_LARGE",
    });
  });

  test("does not read the body of a stranger", async () => {
    const url = service.httpUrl + create;
    const answer = await postHttp(
      url,
      { "content-type": json, "transfer-encoding": "chunked" },
      (sink) => sink.write(Buffer.from("{")),
    );
    expect(connectRefusal(answer)).toEqual({
      code: "unauthenticated",
      reason: "SIGNATURE_MISSING",
    });
  });

  test.each([
    ["another method", "GET", json, 405],
    ["another content type", "POST", "text/plain", 415],
  ])("refuses %s", async (_, method, contentType, status) => {
    const answer = await postHttp(
      service.httpUrl + create,
      { "content-type": contentType },
      "",
      method,
    );
    expect(answer.status).toBe(status);
    expect(connectRefusal(answer).reason).toBe("ENCODING_UNSUPPORTED");
  });

  test.each([
    ["connect-timeout-ms", "soon"],
    ["connect-protocol-version", "2"],
    ["grpc-timeout", "1x"],
  ])("refuses %s: %s", async (name, value) => {
    const url = service.httpUrl + create;
    const headers = { ...signedHeaders(key, url, json, "{}"), [name]: value };
    expect(connectRefusal(await postHttp(url, headers, "{}"))).toEqual({
      code: "invalid_argument",
      reason: "MESSAGE_MALFORMED",
    });
  });

  test("refuses an unknown path", async () => {
    const answer = await postHttp(
      `${service.httpUrl}/pdaas.v1.No/Thing`,
      { "content-type": json },
      "{}",
    );
    expect(answer.status).toBe(404);
    expect(connectRefusal(answer)).toEqual({ code: "unimplemented", reason: "METHOD_UNKNOWN" });
  });

  test("refuses a signature beside an access token", async () => {
    const url = service.httpUrl + create;
    const headers = { ...signedHeaders(key, url, json, "{}"), authorization: "Bearer a.b.c" };
    expect(connectRefusal(await postHttp(url, headers, "{}"))).toEqual({
      code: "unauthenticated",
      reason: "CREDENTIALS_AMBIGUOUS",
    });
  });

  test("refuses a query that is not signed", async () => {
    const url = service.httpUrl + create;
    const answer = await postHttp(`${url}?as=admin`, signedHeaders(key, url, json, "{}"), "{}");
    expect(connectRefusal(answer).reason).toBe("SIGNATURE_COVERAGE");
  });

  test("tells its time when a clock is wrong", async () => {
    const url = service.httpUrl + create;
    const now = Date.now() / 1000 - 3_600;
    const signature = signRequest({
      ...key,
      method: "POST",
      url,
      body: "{}",
      contentType: json,
      now,
    });
    const answer = await postHttp(url, { "content-type": json, ...signature }, "{}");
    expect(connectRefusal(answer).reason).toBe("SIGNATURE_EXPIRED");
    const [info] = JSON.parse(answer.body).details;
    expect(Buffer.from(info.value, "base64").toString()).toMatch(/server_time.{1,3}\d{10}/s);
  });
});

test("nothing was done by any of these", async () => {
  const rows = await service.database.query("select id from service_accounts");
  expect(rows).toHaveLength(1);
});

test("no secret was logged", () => {
  const log = service.log.join("");
  expect(log).toContain(key.accessKey);
  expect(log).not.toContain(key.secretKey);
  expect(log).not.toContain("correct horse");
  expect(log).not.toMatch(/eyJ[\w-]{10,}\./);
});
