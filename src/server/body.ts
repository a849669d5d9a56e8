import type { RequestHead } from "../auth/request-head.ts";
import { Code, ServiceError } from "../errors.ts";
import { bodyBudget, type PendingBody } from "./body-budget.ts";
import { maxMessageBytes } from "./decode.ts";
import type { NodeRequest, NodeResponse } from "./node-head.ts";
import { bodyTooSlow, messageTooLarge } from "./refusals.ts";

/** The prefix of a gRPC message: a flag and a length. */
export const envelopeBytes = 5;
const maxBodyBytes = maxMessageBytes + envelopeBytes;
/** How long a request's body may take to arrive. */
export const bodyTimeoutMs = 30_000;

/** The body of a request: read once and whole, when the headers have admitted its sender. */
export class ReceivedBody {
  readonly #request: NodeRequest;
  #bytes: Buffer | undefined;

  constructor(request: NodeRequest) {
    this.#request = request;
  }

  /**
   * @param timeLeftMs until the caller's deadline
   * @throws ServiceError MESSAGE_TOO_LARGE as soon as it is known, OVERLOADED, DEADLINE_EXCEEDED or
   *   CANCELLED
   */
  async read(timeLeftMs: number | undefined): Promise<Buffer> {
    const declared = Number(this.#request.headers["content-length"] ?? 0);
    if (declared > maxBodyBytes) throw messageTooLarge();
    const timeoutMs = Math.min(bodyTimeoutMs, timeLeftMs ?? bodyTimeoutMs);
    this.#bytes = await collect(this.#request, timeoutMs);
    return this.#bytes;
  }

  /** What was read, for connect, which asks for it after the request was admitted. */
  async *replay(): AsyncIterable<Uint8Array> {
    if (this.#bytes !== undefined && this.#bytes.length > 0) yield this.#bytes;
  }

  /** What is left of a refused body is not kept, and if it may be much, not even read. */
  abandonUnread(response: NodeResponse): void {
    if (this.#bytes !== undefined) return;
    const { stream } = response;
    if (stream !== undefined) stream.once("wantTrailers", () => setImmediate(() => stream.close()));
    else readAway(this.#request, response);
  }
}

/** More than this is not worth reading, nor is waiting longer for it. */
const wasteBytes = 64 * 1024;
const wasteMs = 1_000;

/**
 * Reads a refused body of HTTP/1.1 away once it is answered, since its sender may still be at it and
 * would be cut off before it reads why it was refused (RFC 9112 §9.6). If it is much, the connection ends.
 */
export function readAway(request: NodeRequest, response: NodeResponse): void {
  if (Number(request.headers["content-length"] ?? 0) > wasteBytes) {
    response.setHeader("connection", "close");
    return;
  }
  response.once("finish", () => {
    let size = 0;
    const timer = setTimeout(() => request.destroy(), wasteMs);
    request.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > wasteBytes) request.destroy();
    });
    if (request.readableEnded) clearTimeout(timer);
  });
}

function collect(request: NodeRequest, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  const body: PendingBody = { size: 0 };
  const fail = (error: unknown) => {
    // What still comes is not counted: the body's share of the budget has been given back.
    request.off("data", onData);
    request.pause();
    chunks.length = 0;
    reject(error);
  };
  const onData = (chunk: Buffer) => {
    try {
      bodyBudget.grow(body, chunk.length);
      if (body.size > maxBodyBytes) throw messageTooLarge();
      chunks.push(chunk);
    } catch (error) {
      fail(error);
    }
  };
  const timer = setTimeout(() => fail(bodyTooSlow()), timeoutMs);
  request.on("data", onData);
  request.once("end", () =>
    resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
  );
  request.once("error", () => fail(brokenOff()));
  request.once("aborted", () => fail(brokenOff()));
  return promise.finally(() => {
    clearTimeout(timer);
    bodyBudget.release(body);
  });
}

/** The message in a body, and how it is encoded: bare (Connect unary), or in one envelope (all the others). */
export function payloadOf(body: Buffer, head: RequestHead): [Uint8Array, "binary" | "json"] {
  const contentType = (head.header("content-type") ?? "").toLowerCase();
  const codec = /^application\/((grpc(-web)?|connect)\+)?json\b/.test(contentType)
    ? "json"
    : "binary";
  if (!/^application\/(grpc|connect\+)/.test(contentType)) return [body, codec];
  const whole =
    body.length >= envelopeBytes && body.readUInt32BE(1) === body.length - envelopeBytes;
  if (!whole || body[0] !== 0) throw badEnvelope();
  return [body.subarray(envelopeBytes), codec];
}

function badEnvelope(): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "MESSAGE_MALFORMED",
    "The body must be one uncompressed message in its envelope: a zero byte, the length in 4 bytes, and the message.",
  );
}

function brokenOff(): ServiceError {
  return new ServiceError(Code.cancelled, "CANCELLED", "The request broke off before its end.");
}
