import type {
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
  ServerStreamResponseOptions,
} from "node:http2";
import type { Server, ServerUnaryCall } from "@grpc/grpc-js";
import { methods } from "../contract.ts";
import { Code, ServiceError } from "../errors.ts";
import { newRequestId } from "../ids.ts";
import { peerAddress } from "./node-head.ts";
import { statusBytes } from "./status.ts";

// @grpc/grpc-js keeps some things to itself that a verifier of signatures must see: the raw
// headers, and the answers that it gives without asking a handler. This file is the only one that
// knows its internals; the version is pinned, and tests fail when they change.

interface ServerInternals {
  handlers: ReadonlyMap<string, unknown>;
  _streamHandler(interceptors: unknown[], stream: ServerHttp2Stream, headers: Headers): void;
}

type Headers = IncomingHttpHeaders & { ":path"?: string; ":authority"?: string };

/** What is kept of a stream while it is served. */
export interface WatchedStream {
  /** As they came, `content-type` and `grpc-encoding` among them. */
  headers: Headers;
  /** IP address of the peer. */
  address: string;
}

const watched = Symbol("watched");
type Stream = ServerHttp2Stream & { [watched]?: WatchedStream | undefined };

/** Refuses and watches the streams of a server before grpc-js sees them. */
export class StreamWatch {
  readonly #bodies: PendingBodies;

  /**
   * Watches a server that is not bound yet: unknown methods and encodings are refused in our own
   * words, answers that grpc-js gives by itself get a reason, and bodies are not waited for forever.
   */
  constructor(server: Server, bodyTimeoutMs: number) {
    const internals = server as unknown as ServerInternals;
    const inner = internals._streamHandler;
    const bodies = new PendingBodies(bodyTimeoutMs);
    this.#bodies = bodies;
    internals._streamHandler = function (interceptors, stream: Stream, headers) {
      const refusal = refusalOf(headers, internals.handlers);
      if (refusal !== undefined) return refuse(stream, refusal);
      stream[watched] = { headers, address: addressOf(stream) };
      stream.respond = explainingRespond;
      if (methods.has(headers[":path"] as string)) bodies.expect(stream);
      inner.call(this, interceptors, stream, headersForGrpcJs(headers));
    };
  }

  /** What is known of a call whose message has arrived. */
  arrived(call: ServerUnaryCall<unknown, unknown>): WatchedStream {
    const { stream } = (call as unknown as { call: { stream: Stream } }).call;
    this.#bodies.arrived(stream);
    const known = stream[watched];
    if (known === undefined) throw new Error("@grpc/grpc-js served a stream that was not watched");
    // Node keeps closed streams until the next full garbage collection, and all that hangs on them.
    stream[watched] = undefined;
    return known;
  }

  stop(): void {
    this.#bodies.stop();
  }
}

/** What grpc-js goes by. It would copy all the others into metadata that nobody reads. */
function headersForGrpcJs(headers: Headers): Headers {
  const own: Headers = {
    ":path": headers[":path"] as string,
    "content-type": headers["content-type"] as string,
  };
  if (headers["grpc-timeout"] !== undefined) own["grpc-timeout"] = headers["grpc-timeout"];
  return own;
}

const addresses = new WeakMap<object, string>();

/** Asked once for a connection: it takes a system call. */
function addressOf({ session }: ServerHttp2Stream): string {
  if (session === undefined) return "";
  let address = addresses.get(session);
  if (address === undefined) {
    address = peerAddress(session.socket.remoteAddress);
    addresses.set(session, address);
  }
  return address;
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
function explainingRespond(
  this: ServerHttp2Stream,
  headers?: OutgoingHttpHeaders,
  options?: ServerStreamResponseOptions,
): void {
  const { respond } = Object.getPrototypeOf(this) as ServerHttp2Stream;
  const status = Number(headers?.["grpc-status"] ?? 0);
  if (headers === undefined || status === 0) {
    respond.call(this, headers, options);
    return;
  }
  const isExplained = "grpc-status-details-bin" in headers;
  const own = isExplained ? {} : trailersOf(explanation(status), newRequestId());
  respond.call(this, { ...headers, ...own }, options);
  if (!this.readableEnded) this.close();
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
  }

  arrived(stream: ServerHttp2Stream): void {
    this.#since.delete(stream);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const latest = performance.now() - this.#timeoutMs;
    for (const [stream, since] of this.#since) {
      if (since > latest) return;
      this.#since.delete(stream);
      if (!stream.destroyed && !stream.headersSent) refuse(stream, bodyTooSlow());
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
