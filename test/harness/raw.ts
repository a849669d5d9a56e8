import { once } from "node:events";
import { request } from "node:http";
import { connect, type IncomingHttpHeaders } from "node:http2";
import type { Readable } from "node:stream";
import { signRequest } from "pdaas";
import { type Refusal, trailersRefusal } from "./clients.ts";
import type { TestKey } from "./service.ts";

// Requests that no client would send, byte by byte.

export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** How the body is sent: as it is, or by a function that may never end it. */
export type RawBody = Uint8Array | string | ((sink: BodySink) => void);

interface BodySink {
  write(chunk: Uint8Array): boolean;
  end(): void;
}

/** Sends an HTTP/1.1 POST and reads the answer, even one that comes before the body is sent. */
export async function postHttp(
  url: string,
  headers: Record<string, string | string[]>,
  body: RawBody,
  method = "POST",
): Promise<RawAnswer> {
  const sent = request(url, { method, headers, agent: false });
  const answered = once(sent, "response");
  // A server that has refused the body closes the connection while the rest is still on its way.
  sent.on("error", () => {});
  send(sent, body);
  const [response] = await answered;
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => response.once("close", resolve));
  sent.destroy();
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, headers: response.headers, body: text };
}

/** Sends a request over HTTP/2 and reads headers and trailers. */
export async function postHttp2(
  url: string,
  headers: Record<string, string | string[]>,
  body: RawBody,
): Promise<RawAnswer & { trailers: IncomingHttpHeaders }> {
  const { origin, pathname, search } = new URL(url);
  const session = connect(origin);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": pathname + search, ...headers });
  const answered = once(stream, "response");
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  const closed = new Promise((resolve) => stream.once("close", resolve));
  send(stream, body);
  const [head] = await answered;
  await closed;
  session.destroy();
  const text = Buffer.concat(chunks).toString();
  return { status: head[":status"], headers: head, body: text, trailers: { ...head, ...trailers } };
}

/** An answer that is read as slowly as one likes. */
export interface SlowAnswer {
  readable: Readable;
  headers: IncomingHttpHeaders;
  /** Ends the connection. */
  drop(): void;
}

/** Sends an HTTP/1.1 POST, and reads nothing of the answer but its headers. */
export async function beginHttp(
  url: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Promise<SlowAnswer> {
  const sent = request(url, { method: "POST", headers, agent: false });
  sent.on("error", () => {});
  sent.end(body);
  const [response] = await once(sent, "response");
  response.on("error", () => {});
  return { readable: response, headers: response.headers, drop: () => sent.destroy() };
}

/** The same over HTTP/2. */
export async function beginHttp2(
  url: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Promise<SlowAnswer> {
  const { origin, pathname } = new URL(url);
  const session = connect(origin);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": pathname, ...headers });
  stream.on("error", () => {});
  stream.end(body);
  const [head] = await once(stream, "response");
  return { readable: stream, headers: head, drop: () => session.destroy() };
}

/** The messages of which a body has the whole envelope, each with its flags. */
export function envelopesIn(body: Buffer): { flags: number; message: Buffer }[] {
  const envelopes: { flags: number; message: Buffer }[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) break;
    envelopes.push({ flags: body.readUInt8(at), message: body.subarray(at + 5, end) });
    at = end;
  }
  return envelopes;
}

function send(sink: BodySink & { end(body?: Uint8Array | string): void }, body: RawBody): void {
  if (typeof body === "function") body(sink);
  else sink.end(body);
}

/** The refusal in a Connect error. */
export function connectRefusal({ body }: RawAnswer): { code: string; reason: string } {
  const { code, details } = JSON.parse(body);
  const info = details.find(({ type }: { type: string }) => type === "google.rpc.ErrorInfo");
  // The first field of ErrorInfo is its reason.
  const bytes = Buffer.from(info.value, "base64");
  return { code, reason: bytes.toString("utf8", 2, 2 + (bytes[1] as number)) };
}

/** The refusal in gRPC trailers. */
export function grpcRefusal({ trailers }: { trailers: IncomingHttpHeaders }): Refusal {
  return trailersRefusal(trailers);
}

/** One gRPC message with its prefix. */
export function envelope(message: Uint8Array, length = message.length, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

/** The headers of a signed request with this body. */
export function signedHeaders(
  key: TestKey,
  url: string,
  contentType: string,
  body: Uint8Array | string,
): Record<string, string> {
  const covered = contentType.startsWith("application/grpc") ? undefined : contentType;
  const signature = signRequest({ ...key, method: "POST", url, contentType: covered, body });
  return { "content-type": contentType, ...signature };
}
