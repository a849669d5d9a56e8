import { type ClientHttp2Session, connect } from "node:http2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { grpcRefusal } from "../harness/raw.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const mebibyte = 1024 * 1024;
let service: TestService;
let key: TestKey;
const sessions: ClientHttp2Session[] = [];

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
});
afterAll(async () => {
  for (const session of sessions) session.destroy();
  await service[Symbol.asyncDispose]();
});

/** Begins a message of 4 MiB, as a stranger, and leaves out its last byte. */
function begin(session: ClientHttp2Session): Promise<string> {
  const stream = session.request({
    ":method": "POST",
    ":path": "/pdaas.v1.AuthService/Login",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(4 * mebibyte - 1, 1);
  const { promise, resolve } = Promise.withResolvers<string>();
  let head = {};
  stream.on("error", () => {});
  stream.on("response", (headers) => {
    head = headers;
  });
  const answered = (trailers: object) =>
    resolve(grpcRefusal({ trailers: { ...head, ...trailers } }).reason);
  stream.on("trailers", answered);
  stream.on("close", () => "grpc-status" in head && answered({}));
  stream.write(Buffer.concat([prefix, Buffer.alloc(4 * mebibyte - 2)]));
  stream.resume();
  return promise;
}

test.each(["gRPC server", "HTTP server"])(
  "unfinished bodies take no more than so much memory, and small ones pass: %s",
  async (name) => {
    const origin = name === "gRPC server" ? service.grpcUrl : service.httpUrl;
    // The client, too, bounds what it keeps of what it sends.
    const session = connect(origin, { maxSessionMemory: 1_000 });
    sessions.push(session);
    const before = process.memoryUsage().rss;
    const answers = Array.from({ length: 40 }, () => begin(session));
    expect(await Promise.race(answers)).toBe("OVERLOADED");
    // This process is client and server: each byte may be here twice.
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * mebibyte);
    await service.signed(key).organizations.getInfo();
    session.destroy();
  },
);
