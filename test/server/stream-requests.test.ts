import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { credentials, Client as GrpcClient, type ServiceError } from "@grpc/grpc-js";
import { grpcSigningInterceptor } from "pdaas/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { trailersRefusal } from "../harness/clients.ts";
import {
  beginHttp,
  envelope,
  envelopesIn,
  grpcRefusal,
  postHttp2,
  signedHeaders,
} from "../harness/raw.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const { input, output } = AuditService.method.tailAuditEvents;
const path = "/pdaas.v1.AuditService/TailAuditEvents";
const message = toBinary(input, create(input, { afterSequence: 0n }));
const json = Buffer.from('{"afterSequence":"0"}');

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

/** What a Connect stream ends with, without its first messages. */
async function connectEnd(body: Buffer, headers: Record<string, string>, at = path) {
  const answer = await beginHttp(service.httpUrl + at, headers, body);
  const envelopes = envelopesIn(Buffer.concat(await Array.fromAsync(answer.readable)));
  expect(envelopes.map(({ flags }) => flags)).toEqual([2]);
  const { error } = JSON.parse(`${envelopes[0]?.message}`);
  const [info] = error.details;
  return `${error.code} ${Buffer.from(info.value, "base64").toString("latin1")}`;
}

/** The refusal in the trailers of each server. */
async function grpcEnds(body: Buffer, sign: (url: string) => Record<string, string>) {
  const refusals: string[] = [];
  for (const origin of [service.grpcUrl, service.httpUrl]) {
    const { code, reason } = grpcRefusal(await postHttp2(origin + path, sign(origin + path), body));
    refusals.push(`${code} ${reason}`);
  }
  return refusals;
}

const signed = (type: string, body: Buffer) => (url: string) => signedHeaders(key, url, type, body);
const twice = (text: string) => [text, text];

describe("a request of a stream is one message, and is signed with its envelope", () => {
  const connect = "application/connect+json";

  test.each([
    ["two messages", Buffer.concat([envelope(message), envelope(message)])],
    ["no message", Buffer.alloc(0)],
    ["half a message", envelope(message, message.length + 1)],
  ])("malformed: %s", async (_, body) => {
    const refusals = await grpcEnds(body, signed("application/grpc", body));
    expect(refusals).toEqual(twice("invalid_argument MESSAGE_MALFORMED"));
    const headers = signed(connect, body)(service.httpUrl + path);
    expect(await connectEnd(body, headers)).toMatch(/^invalid_argument .*MESSAGE_MALFORMED/s);
  });

  test("malformed: a message that says it is compressed", async () => {
    const body = envelope(json, json.length, 1);
    const headers = signed(connect, body)(service.httpUrl + path);
    expect(await connectEnd(body, headers)).toMatch(/^invalid_argument .*MESSAGE_MALFORMED/s);
  });

  test("refused: a digest of the message without its envelope", async () => {
    const refusals = await grpcEnds(envelope(message), (url) =>
      signedHeaders(key, url, "application/grpc", message),
    );
    expect(refusals).toEqual(twice("unauthenticated DIGEST_MISMATCH"));
    const headers = signedHeaders(key, service.httpUrl + path, connect, json);
    expect(await connectEnd(envelope(json), headers)).toMatch(
      /^unauthenticated .*DIGEST_MISMATCH/s,
    );
  });

  test("refused: a Connect stream whose content type is not covered", async () => {
    const body = envelope(message);
    const headers = signed("application/grpc", body)(service.httpUrl + path);
    const uncovered = { ...headers, "content-type": "application/connect+proto" };
    expect(await connectEnd(body, uncovered)).toMatch(/^unauthenticated .*SIGNATURE_COVERAGE/s);
  });

  test("refused: the second use of a signature", async () => {
    const body = envelope(message);
    const url = service.grpcUrl + path;
    const headers = { ...signed("application/grpc", body)(url), "grpc-timeout": "300m" };
    expect(grpcRefusal(await postHttp2(url, headers, body))).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
    });
    expect(grpcRefusal(await postHttp2(url, headers, body))).toMatchObject({
      reason: "NONCE_REPLAYED",
    });
  });

  test("refused: a method that is not there, as a Connect stream reads it", async () => {
    const body = envelope(json);
    const headers = { "content-type": connect };
    const end = await connectEnd(body, headers, "/pdaas.v1.AuditService/Nothing");
    expect(end).toMatch(/^unimplemented .*METHOD_UNKNOWN/s);
  });
});

describe("@grpc/grpc-js", () => {
  function tail(by: TestKey) {
    const client = new GrpcClient(service.service.grpcAddress, credentials.createInsecure(), {
      interceptors: [grpcSigningInterceptor(by)],
    });
    const stream = client.makeServerStreamRequest(
      path,
      (request: typeof message) => Buffer.from(request),
      (bytes) => fromBinary(output, bytes),
      message,
    );
    stream.once("close", () => client.close());
    return stream;
  }

  test("ok: reads events, each with its number", async () => {
    const numbers: number[] = [];
    for await (const { auditEvent, sequence } of tail(key)) {
      if (auditEvent === undefined) continue;
      numbers.push(Number(sequence));
      expect(auditEvent.sequence).toBe(sequence);
      if (numbers.length === 3) break;
    }
    expect(numbers).toEqual([1, 2, 3]);
  });

  test("refused: midway, with all details", async () => {
    const revoked = await service.issueKey();
    const stream = tail(revoked);
    const ended = Promise.withResolvers<ServiceError>();
    stream.on("error", ended.resolve);
    await new Promise((resolve) => stream.once("data", resolve));
    stream.resume();
    await service.admin.apiKeys.revoke({ apiKeyId: revoked.apiKeyId });
    const { code, details, metadata } = await ended.promise;
    const bin = metadata.get("grpc-status-details-bin")[0] as Buffer;
    expect(metadata.get("x-request-id")[0]).toMatch(/^req_/);
    expect(
      trailersRefusal({
        "grpc-status": code,
        "grpc-message": encodeURIComponent(details),
        "grpc-status-details-bin": bin.toString("base64"),
      }),
    ).toMatchObject({ code: "unauthenticated", reason: "SIGNATURE_INVALID" });
  });
});
