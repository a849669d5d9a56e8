import { Metadata, type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";
import type { ServiceError } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import { Call, type Liveness } from "../rpc/call.ts";
import type { Route } from "../rpc/routes.ts";
import { envelopeBytes } from "./body.ts";
import type { WatchedStream } from "./grpc-streams.ts";
import { NodeHead } from "./node-head.ts";
import { statusBytes } from "./status.ts";

/** A call as grpc-js has it: one message came, as the bytes that were sent. */
export type RawCall = ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

export function toCall(app: App, route: Route, raw: RawCall, stream: WatchedStream): Call {
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
    return this.#raw.cancelled && Date.now() < this.deadline;
  }

  get deadline(): number {
    return Number(this.#raw.getDeadline());
  }
}

/**
 * A message as it was sent, with the flags and the length before it. grpc-js has cut them off,
 * and they are still there in front of it; where they should not be, they are put there again.
 */
export function wireBytes(message: Buffer): Buffer {
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

export function idMetadata(call: Call): Metadata {
  const metadata = new Metadata();
  metadata.set("x-request-id", call.requestId);
  return metadata;
}

/** A refusal as grpc-js sends it. */
export function toStatus(error: ServiceError, call: Call) {
  const metadata = idMetadata(call);
  metadata.set("grpc-status-details-bin", statusBytes(error, call.requestId));
  return { code: error.code, details: error.message, metadata };
}
