import type { OutgoingHttpHeaders } from "node:http2";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { Code, errorDomain, type ServiceError } from "../errors.ts";

/** A detail of a refusal, as both servers send it. */
export type Detail =
  | { desc: typeof ErrorInfoSchema; value: MessageInitShape<typeof ErrorInfoSchema> }
  | { desc: typeof BadRequestSchema; value: MessageInitShape<typeof BadRequestSchema> }
  | { desc: typeof RetryInfoSchema; value: MessageInitShape<typeof RetryInfoSchema> }
  | { desc: typeof RequestInfoSchema; value: MessageInitShape<typeof RequestInfoSchema> };

/** The details of a refusal (google.rpc.error_details). */
export function detailsOf(error: ServiceError, requestId: string): Detail[] {
  const { reason, metadata, violations, retryAfterMs } = error;
  const details: Detail[] = [
    { desc: ErrorInfoSchema, value: { reason, domain: errorDomain, metadata } },
    { desc: RequestInfoSchema, value: { requestId } },
  ];
  if (violations.length > 0) {
    details.push({ desc: BadRequestSchema, value: { fieldViolations: violations } });
  }
  if (retryAfterMs !== undefined) {
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryAfterMs) } });
  }
  return details;
}

/** A refusal as a google.rpc.Status, which gRPC carries in `grpc-status-details-bin`. */
export function statusBytes(error: ServiceError, requestId: string): Buffer {
  const details = detailsOf(error, requestId).map(pack);
  const status = create(StatusSchema, { code: error.code, message: error.message, details });
  return Buffer.from(toBinary(StatusSchema, status));
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

function pack({ desc, value }: Detail): Any {
  return anyPack(
    desc as typeof ErrorInfoSchema,
    create(desc as typeof ErrorInfoSchema, value as never),
  );
}

/** A refusal as the Connect protocol has it for unary calls. */
export function connectErrorJson(error: ServiceError, requestId: string) {
  const code = Object.entries(Code).find(([, value]) => value === error.code)?.[0] ?? "internal";
  return {
    code: code
      .replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      .replace("cancelled", "canceled"),
    message: error.message,
    details: detailsOf(error, requestId)
      .map(pack)
      .map(({ typeUrl, value }) => ({
        type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
        value: Buffer.from(value).toString("base64").replace(/=+$/, ""),
      })),
  };
}

/** A refusal as the Connect protocol ends a stream with it: in an envelope of its own kind. */
export function endOfConnectStream(error: ServiceError, requestId: string): Buffer {
  const json = JSON.stringify({ error: connectErrorJson(error, requestId) });
  const prefix = Buffer.from([2, 0, 0, 0, 0]);
  prefix.writeUInt32BE(Buffer.byteLength(json), 1);
  return Buffer.concat([prefix, Buffer.from(json)]);
}
