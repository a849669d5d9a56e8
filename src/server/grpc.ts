import { create, toBinary } from "@bufbuild/protobuf";
import {
  type handleUnaryCall,
  Server,
  type ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import { type Route, routes, type UnaryRoute } from "../rpc/routes.ts";
import { bodyTimeoutMs } from "./body.ts";
import { decode, maxMessageBytes } from "./decode.ts";
import { idMetadata, type RawCall, toCall, toStatus, wireBytes } from "./grpc-call.ts";
import { handleStream, type StreamCall } from "./grpc-stream-call.ts";
import { StreamWatch } from "./grpc-streams.ts";
import { admit, checkBody, serve } from "./interceptors.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Outcomes } from "./outcome.ts";

/** A gRPC server, and what watches its streams. */
export interface GrpcServer {
  server: Server;
  watch: StreamWatch;
}

/** Native gRPC: messages reach the interceptors as the bytes that were sent. */
export function createGrpcServer(app: App, outcomes: Outcomes, open: OpenStreams): GrpcServer {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 1_000,
    "grpc.enable_channelz": 0,
  });
  const watch = new StreamWatch(server, bodyTimeoutMs);
  for (const route of routes) {
    const arrive = (raw: RawCall) => toCall(app, route, raw, watch.arrived(raw));
    if (route.kind === "unary") {
      register(server, route, "unary", (raw: UnaryCall, respond: sendUnaryData<Buffer>) => {
        void handle(app, outcomes, arrive(raw), route, raw, respond);
      });
    } else {
      register(server, route, "serverStream", (raw: StreamCall) => {
        void handleStream(app, outcomes, open, arrive(raw), route, raw);
      });
    }
  }
  return { server, watch };
}

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;

function register(
  server: Server,
  { method }: Route,
  type: "unary" | "serverStream",
  handler: (raw: never, respond: sendUnaryData<Buffer>) => void,
): void {
  const asSent = (bytes: Buffer) => bytes;
  server.register(method.path, handler as handleUnaryCall<Buffer, Buffer>, asSent, asSent, type);
}

async function handle(
  app: App,
  outcomes: Outcomes,
  call: Call,
  route: UnaryRoute,
  raw: UnaryCall,
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
