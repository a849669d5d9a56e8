import { toBinary } from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  type ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { ServiceError } from "../errors.ts";
import { newRequestId } from "../ids.ts";
import type { App } from "../rpc/app.ts";
import { Call } from "../rpc/call.ts";
import { type Route, routes } from "../rpc/routes.ts";
import { decode, maxMessageBytes } from "./decode.ts";
import { headersOf, watchStreams } from "./grpc-streams.ts";
import { admit, checkBody, serve } from "./interceptors.ts";
import { peerAddress, requestHead } from "./node-head.ts";
import type { Outcomes } from "./outcome.ts";
import { statusBytes } from "./status.ts";

type RawCall = ServerUnaryCall<Buffer, Buffer>;

/** How long a request's body may take to arrive. */
export const bodyTimeoutMs = 30_000;

/** Native gRPC: messages reach the interceptors as the bytes that were sent. */
export function createGrpcServer(app: App, outcomes: Outcomes): { server: Server; stop(): void } {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 1_000,
    "grpc.enable_channelz": 0,
  });
  for (const route of routes) {
    server.register(
      route.method.path,
      (raw: RawCall, respond: sendUnaryData<Buffer>) => {
        void handle(app, outcomes, route, raw, respond);
      },
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      "unary",
    );
  }
  const watch = watchStreams(server, bodyTimeoutMs);
  return { server, stop: () => watch.stop() };
}

async function handle(
  app: App,
  outcomes: Outcomes,
  route: Route,
  raw: RawCall,
  respond: sendUnaryData<Buffer>,
): Promise<void> {
  const call = toCall(route, raw);
  try {
    await admit(app, call);
    checkBody(call, envelopePrefix(raw.request), raw.request);
    const request = decode(route.method.desc.input, raw.request, "binary");
    const response = await serve(app, call, route, request);
    respond(null, Buffer.from(toBinary(route.method.desc.output, response)), idMetadata(call));
    outcomes.carriedOut(call, "grpc");
  } catch (error) {
    respond(toStatus(outcomes.refused(call, "grpc", error), call), null);
  }
}

function toCall(route: Route, raw: RawCall): Call {
  const headers = headersOf(raw);
  const authority = headers[":authority"] ?? headers.host ?? "";
  return new Call({
    method: route.method,
    head: requestHead("POST", authority, headers[":path"] ?? "", headers),
    requestId: newRequestId(),
    address: peerAddress(raw.getPeer().replace(/:\d+$/, "")),
    liveness: {
      get cancelled() {
        return raw.cancelled;
      },
      get deadline() {
        return Number(raw.getDeadline());
      },
    },
  });
}

/** What precedes an uncompressed message on the wire: a zero byte and the length. */
function envelopePrefix(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return prefix;
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
