import { create, toBinary } from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  type ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { ServiceError } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import { Call, type Liveness } from "../rpc/call.ts";
import { type Route, routes } from "../rpc/routes.ts";
import { bodyTimeoutMs, envelopeBytes } from "./body.ts";
import { decode, maxMessageBytes } from "./decode.ts";
import { StreamWatch, type WatchedStream } from "./grpc-streams.ts";
import { admit, checkBody, serve } from "./interceptors.ts";
import { NodeHead } from "./node-head.ts";
import type { Outcomes } from "./outcome.ts";
import { statusBytes } from "./status.ts";

type RawCall = ServerUnaryCall<Buffer, Buffer>;

/** A gRPC server, and what watches its streams. */
export interface GrpcServer {
  server: Server;
  watch: StreamWatch;
}

/** Native gRPC: messages reach the interceptors as the bytes that were sent. */
export function createGrpcServer(app: App, outcomes: Outcomes): GrpcServer {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 1_000,
    "grpc.enable_channelz": 0,
  });
  const watch = new StreamWatch(server, bodyTimeoutMs);
  for (const route of routes) {
    server.register(
      route.method.path,
      (raw: RawCall, respond: sendUnaryData<Buffer>) => {
        const call = toCall(app, route, raw, watch.arrived(raw));
        void handle(app, outcomes, call, route, raw, respond);
      },
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      "unary",
    );
  }
  return { server, watch };
}

async function handle(
  app: App,
  outcomes: Outcomes,
  call: Call,
  route: Route,
  raw: RawCall,
  respond: sendUnaryData<Buffer>,
): Promise<void> {
  try {
    await admit(app, call);
    checkBody(call, wireBytes(raw.request));
    const request = decode(route.method.desc.input, raw.request, "binary");
    const { output } = route.method.desc;
    const bytes = toBinary(output, create(output, await serve(app, call, route, request)));
    // A read leaves nothing behind that its identifier would lead to.
    const trailers = route.method.isRead ? undefined : idMetadata(call);
    respond(null, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), trailers);
    outcomes.carriedOut(call, "grpc");
  } catch (error) {
    respond(toStatus(outcomes.refused(call, "grpc", error), call), null);
  }
}

function toCall(app: App, route: Route, raw: RawCall, stream: WatchedStream): Call {
  const { headers, address } = stream;
  const authority = headers[":authority"] ?? headers.host ?? "";
  const head = new NodeHead("POST", authority, route.method.path, headers);
  return new Call({
    method: route.method,
    head,
    address: app.proxies.sourceAddress(address, head),
    liveness: new GrpcLiveness(raw),
  });
}

class GrpcLiveness implements Liveness {
  readonly #raw: RawCall;

  constructor(raw: RawCall) {
    this.#raw = raw;
  }

  get cancelled(): boolean {
    return this.#raw.cancelled;
  }

  get deadline(): number {
    return Number(this.#raw.getDeadline());
  }
}

/**
 * A message as it was sent, with the flags and the length before it. grpc-js has cut them off,
 * and they are still there in front of it; where they should not be, they are put there again.
 */
function wireBytes(message: Buffer): Buffer {
  const start = message.byteOffset - envelopeBytes;
  if (start >= 0) {
    const sent = Buffer.from(message.buffer, start, message.length + envelopeBytes);
    if (sent.readUInt32BE(1) === message.length) return sent;
  }
  const framed = Buffer.alloc(envelopeBytes + message.length);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, envelopeBytes);
  return framed;
}

function idMetadata(call: Call): Metadata {
  const metadata = new Metadata();
  metadata.set("x-request-id", call.requestId);
  return metadata;
}

function toStatus(error: ServiceError, call: Call) {
  const metadata = idMetadata(call);
  metadata.set("grpc-status-details-bin", statusBytes(error, call.requestId));
  return { code: error.code, details: error.message, metadata };
}

/** Binds the server; port 0 takes any free one. */
export function listenGrpc(
  server: Server,
  listen: { host: string; port: number },
  credentials: ServerCredentials,
): Promise<number> {
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${listen.port}`, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
