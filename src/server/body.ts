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

  /** Ends the connection after the answer when the body was refused: what is left is not read. */
  abandonUnread(response: NodeResponse): void {
    if (this.#bytes !== undefined) return;
    const { stream } = response;
    if (stream !== undefined) stream.once("wantTrailers", () => setImmediate(() => stream.close()));
    else {
      response.setHeader("connection", "close");
      response.once("finish", () => this.#request.destroy());
    }
  }
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

/** The message in a body, and how it is encoded (Connect unary, or one gRPC or gRPC-Web envelope). */
export function payloadOf(body: Buffer, head: RequestHead): [Uint8Array, "binary" | "json"] {
  const contentType = (head.header("content-type") ?? "").toLowerCase();
  const codec = /^application\/(grpc(-web)?\+)?json\b/.test(contentType) ? "json" : "binary";
  if (!contentType.startsWith("application/grpc")) return [body, codec];
  const whole =
    body.length >= envelopeBytes && body.readUInt32BE(1) === body.length - envelopeBytes;
  if (!whole || body[0] !== 0) throw badEnvelope();
  return [body.subarray(envelopeBytes), codec];
}

function badEnvelope(): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "MESSAGE_MALFORMED",
    "The body must be one uncompressed gRPC message: a zero byte, the length in 4 bytes, and the message.",
  );
}

function brokenOff(): ServiceError {
  return new ServiceError(Code.cancelled, "CANCELLED", "The request broke off before its end.");
}
