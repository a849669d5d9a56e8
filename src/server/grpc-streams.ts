import {
  constants,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from "node:http2";
import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { methods } from "../contract.ts";
import type { ServiceError } from "../errors.ts";
import { newRequestId } from "../ids.ts";
import { bodyBudget, type PendingBody } from "./body-budget.ts";
import { peerAddress } from "./node-head.ts";
import { bodyTooSlow, brokenProtocol, compressed, unknownMethod } from "./refusals.ts";
import { trailersOf } from "./status.ts";

// @grpc/grpc-js keeps some things to itself that a verifier of signatures must see: the raw
// headers, and the answers that it gives without asking a handler. This file is the only one that
// knows its internals; the version is pinned, and tests fail when they change.

interface ServerInternals {
  handlers: ReadonlyMap<string, unknown>;
  _streamHandler(interceptors: unknown[], stream: ServerHttp2Stream, headers: Headers): void;
  _setupHandlers(server: Http2Server, interceptors: unknown[]): void;
}

type Headers = IncomingHttpHeaders & { ":path"?: string; ":authority"?: string };

/** What is kept of a stream while it is served. */
export interface WatchedStream extends PendingBody {
  /** As they came, `content-type` and `grpc-encoding` among them. */
  headers: Headers;
  /** IP address of the peer. */
  address: string;
  /** When it began, in milliseconds of the high-resolution clock. */
  since: number;
}

const watched = Symbol("watched");
type Stream = ServerHttp2Stream & { [watched]?: WatchedStream | undefined };

/** Refuses and watches the streams of a server before grpc-js sees them. */
export class StreamWatch {
  readonly #bodies: PendingBodies;
  readonly #connections = new Connections();

  /**
   * Watches a server that is not bound yet: unknown methods and encodings are refused in our own
   * words, answers that grpc-js gives by itself get a reason, and bodies are not waited for forever.
   */
  constructor(server: Server, bodyTimeoutMs: number) {
    const internals = server as unknown as ServerInternals;
    const inner = internals._streamHandler;
    const bodies = new PendingBodies(bodyTimeoutMs);
    this.#bodies = bodies;
    const connections = this.#connections;
    const setUp = internals._setupHandlers;
    internals._setupHandlers = function (http2Server, interceptors) {
      connections.watch(http2Server);
      setUp.call(this, http2Server, interceptors);
    };
    internals._streamHandler = function (interceptors, stream: Stream, headers) {
      const refusal = refusalOf(headers, internals.handlers);
      if (refusal !== undefined) return refuse(stream, refusal);
      const address = addressOf(stream);
      stream[watched] = { headers, address, since: performance.now(), size: 0 };
      stream.respond = explainingRespond;
      if (methods.has(headers[":path"] as string)) bodies.expect(stream);
      inner.call(this, interceptors, stream, headersForGrpcJs(headers));
    };
  }

  /** What is known of a call whose message has arrived. */
  arrived(call: object): WatchedStream {
    const stream = streamOf(call);
    const known = stream[watched];
    if (known === undefined) throw new Error("@grpc/grpc-js served a stream that was not watched");
    this.#bodies.arrived(stream, known);
    // A closed stream may live on until the next full garbage collection, with all that hangs on it.
    stream[watched] = undefined;
    return known;
  }

  /**
   * Tells the callers to go elsewhere, waits for their calls in flight, and ends what is left after
   * `graceMs`. Without its channelz, which costs every call, grpc-js does not know its sessions.
   */
  async close(graceMs: number): Promise<void> {
    this.#bodies.stop();
    await this.#connections.close(graceMs);
  }
}

function streamOf(call: object): Stream {
  return (call as { call: { stream: Stream } }).call.stream;
}

/** Ends a call at once and without a word: what was sent and not read is dropped. */
export function reset(call: object): void {
  const stream = streamOf(call);
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
}

/** Adds a reason to the end that grpc-js gives a stream of messages by itself, at its deadline. */
export function explainEnd(call: object, requestId: string): void {
  const stream = streamOf(call);
  stream.sendTrailers = (trailers) => {
    const status = Number(trailers["grpc-status"]);
    const isExplained = status === 0 || "grpc-status-details-bin" in trailers;
    const own = isExplained ? {} : trailersOf(brokenProtocol(status), requestId);
    Object.getPrototypeOf(stream).sendTrailers.call(stream, { ...trailers, ...own });
  };
}

/** Every connection of a server, also those that nothing was ever called on. */
class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<Http2Session>();
  readonly #ended = Promise.withResolvers<void>();
  #isClosing = false;

  watch(server: Http2Server): void {
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.#isClosing && this.#sockets.size === 0) this.#ended.resolve();
      });
    });
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const session of this.#sessions) session.close();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    if (this.#sockets.size > 0) await this.#ended.promise;
    clearTimeout(timer);
  }
}

/** What grpc-js goes by. It would copy all the others into metadata that nobody reads. */
function headersForGrpcJs(headers: Headers): Headers {
  const own: Headers = {
    ":path": headers[":path"] as string,
    "content-type": headers["content-type"] as string,
  };
  const timeout = headers["grpc-timeout"];
  if (timeout !== undefined) own["grpc-timeout"] = boundedTimeout(`${timeout}`);
  return own;
}

const longUnits: Record<string, number> = { H: 3_600, M: 60, S: 1 };
const maxTimeoutHours = 500;

/** A timer of Node's ends at 2^31 ms, 596 hours, and grpc-js counts no further either. */
function boundedTimeout(timeout: string): string {
  const [, digits, unit = ""] = /^(\d{3,8})([HMS])$/.exec(timeout) ?? [];
  const seconds = Number(digits) * (longUnits[unit] ?? 0);
  return seconds > maxTimeoutHours * 3_600 ? `${maxTimeoutHours}H` : timeout;
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
  return encoding === "identity" ? undefined : compressed("grpc-encoding");
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
  const own = isExplained ? {} : trailersOf(brokenProtocol(status), newRequestId());
  respond.call(this, { ...headers, ...own }, options);
  if (!this.readableEnded) this.close();
}

/** Streams whose body has not arrived yet. */
class PendingBodies {
  readonly #streams = new Set<Stream>();
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #push: Stream["push"];

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#timer = setInterval(() => this.#sweep(), Math.min(1_000, timeoutMs)).unref();
    const received = (stream: Stream, bytes: number) => this.#received(stream, bytes);
    this.#push = function (this: Stream, chunk: Buffer | null) {
      if (chunk !== null && !received(this, chunk.length)) return true;
      return Object.getPrototypeOf(this).push.call(this, chunk);
    };
  }

  /** From now on what arrives is counted, before grpc-js keeps it. */
  expect(stream: Stream): void {
    this.#streams.add(stream);
    stream.push = this.#push;
  }

  arrived(stream: Stream, body: PendingBody): void {
    if (this.#streams.delete(stream)) bodyBudget.release(body);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @returns whether the stream goes on */
  #received(stream: Stream, bytes: number): boolean {
    const body = stream[watched];
    if (body === undefined || !this.#streams.has(stream)) return !stream.headersSent;
    try {
      bodyBudget.grow(body, bytes);
      return true;
    } catch (error) {
      this.arrived(stream, body);
      setImmediate(() => {
        if (!stream.destroyed && !stream.headersSent) refuse(stream, error as ServiceError);
      });
      return false;
    }
  }

  #sweep(): void {
    const latest = performance.now() - this.#timeoutMs;
    for (const stream of this.#streams) {
      const body = stream[watched] as WatchedStream;
      // Streams that were reset would else be kept for as long as a body may take.
      if (body.since > latest && !stream.destroyed) continue;
      this.arrived(stream, body);
      if (!stream.destroyed && !stream.headersSent) refuse(stream, bodyTooSlow());
    }
  }
}
