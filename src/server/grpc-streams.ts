import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Server, ServerUnaryCall } from "@grpc/grpc-js";
import { Code, ServiceError } from "../errors.ts";
import { newRequestId } from "../ids.ts";
import { statusBytes } from "./status.ts";

// @grpc/grpc-js keeps some things to itself that a verifier of signatures must see: the raw
// headers, and the answers that it gives without asking a handler. This file is the only one that
// knows its internals; the version is pinned, and tests fail when they change.

interface ServerInternals {
  handlers: ReadonlyMap<string, unknown>;
  _streamHandler(interceptors: unknown[], stream: ServerHttp2Stream, headers: Headers): void;
}

type Headers = IncomingHttpHeaders & { ":path"?: string; ":authority"?: string };

const rawHeaders = new WeakMap<ServerHttp2Stream, Headers>();

/** The headers of a call as they came, `content-type` and `grpc-encoding` among them. */
export function headersOf(call: ServerUnaryCall<unknown, unknown>): Headers {
  const { stream } = (call as unknown as { call: { stream: ServerHttp2Stream } }).call;
  const headers = rawHeaders.get(stream);
  if (headers === undefined) throw new Error("@grpc/grpc-js served a stream that was not watched");
  return headers;
}

/**
 * Watches the streams of a server that is not bound yet: unknown methods and encodings are refused
 * in our own words, answers of grpc-js get a reason, and a body that does not arrive is not waited for.
 */
export function watchStreams(server: Server, bodyTimeoutMs: number): { stop(): void } {
  const internals = server as unknown as ServerInternals;
  const inner = internals._streamHandler;
  const bodies = new PendingBodies(bodyTimeoutMs);
  internals._streamHandler = function (interceptors, stream, headers) {
    const refusal = refusalOf(headers, internals.handlers);
    if (refusal !== undefined) return refuse(stream, refusal);
    rawHeaders.set(stream, headers);
    bodies.expect(stream);
    explainAnswers(stream);
    inner.call(this, interceptors, stream, headers);
  };
  return { stop: () => bodies.stop() };
}

function refusalOf(headers: Headers, handlers: ReadonlyMap<string, unknown>) {
  const path = headers[":path"] ?? "";
  if (!handlers.has(path)) return unknownMethod(path);
  const encoding = headers["grpc-encoding"] ?? "identity";
  if (encoding === "identity") return undefined;
  return new ServiceError(
    Code.unimplemented,
    "ENCODING_UNSUPPORTED",
    "Compressed messages are not accepted. Send them with grpc-encoding identity, or without that header.",
  );
}

export function unknownMethod(path: string): ServiceError {
  return new ServiceError(
    Code.unimplemented,
    "METHOD_UNKNOWN",
    `There is no method ${JSON.stringify(path.slice(0, 200))}. Check the path against the contract in proto/pdaas/v1.`,
  );
}

/** Answers with trailers only, and does not read the body. */
function refuse(stream: ServerHttp2Stream, error: ServiceError): void {
  stream.on("error", () => {});
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc+proto",
      ...trailersOf(error, newRequestId()),
    },
    { endStream: true },
  );
  stream.close();
}

/** A refusal as trailers. */
export function trailersOf(error: ServiceError, requestId: string): OutgoingHttpHeaders {
  return {
    "grpc-status": String(error.code),
    "grpc-message": encodeURIComponent(error.message),
    "grpc-status-details-bin": statusBytes(error, requestId).toString("base64"),
    "x-request-id": requestId,
  };
}

/** Adds a reason to the answers that grpc-js gives by itself, and stops reading the body then. */
function explainAnswers(stream: ServerHttp2Stream): void {
  const respond = stream.respond;
  stream.respond = (headers, options) => {
    const status = (headers as OutgoingHttpHeaders | undefined)?.["grpc-status"];
    if (status === undefined || Number(status) === 0) return respond.call(stream, headers, options);
    const explained = "grpc-status-details-bin" in (headers as object);
    const own = explained ? {} : trailersOf(explanation(Number(status)), newRequestId());
    respond.call(stream, { ...headers, ...own }, options);
    if (!stream.readableEnded) stream.close();
  };
}

/** What grpc-js means by the statuses that it answers without a handler. */
function explanation(status: number): ServiceError {
  switch (status) {
    case Code.deadlineExceeded:
      return new ServiceError(
        Code.deadlineExceeded,
        "DEADLINE_EXCEEDED",
        "The deadline passed before the call was done. Allow it more time, and repeat a change with the same request_id.",
      );
    case Code.resourceExhausted:
      return new ServiceError(
        Code.resourceExhausted,
        "MESSAGE_TOO_LARGE",
        "The message is over 4 MiB. Send less at once.",
      );
    default:
      return new ServiceError(
        Code.invalidArgument,
        "MESSAGE_MALFORMED",
        "The request breaks the gRPC protocol. Check the client's framing, its grpc-timeout and its number of messages.",
      );
  }
}

/** Streams whose body has not arrived yet, in the order of their arrival. */
class PendingBodies {
  readonly #since = new Map<ServerHttp2Stream, number>();
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#timer = setInterval(() => this.#sweep(), Math.min(1_000, timeoutMs)).unref();
  }

  expect(stream: ServerHttp2Stream): void {
    this.#since.set(stream, performance.now());
    const arrived = () => this.#since.delete(stream);
    stream.once("end", arrived).once("close", arrived);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const latest = performance.now() - this.#timeoutMs;
    for (const [stream, since] of this.#since) {
      if (since > latest) return;
      this.#since.delete(stream);
      if (!stream.headersSent) refuse(stream, bodyTooSlow());
    }
  }
}

export function bodyTooSlow(): ServiceError {
  return new ServiceError(
    Code.deadlineExceeded,
    "DEADLINE_EXCEEDED",
    "The body did not arrive in time. Send it at once after the headers.",
  );
}
