import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../../../gen/google/rpc/error_details_pb.ts";

export interface RefusalOptions {
  message?: string;
  metadata?: Record<string, string>;
  retryAfterMs?: number;
  fieldViolations?: { field: string; description: string }[];
}

/** A refusal as the service makes it. */
export function refusal(code: Code, reason: string, options: RefusalOptions = {}): ConnectError {
  const { message = `refused: ${reason}`, metadata = {}, retryAfterMs, fieldViolations } = options;
  const details = [
    { desc: ErrorInfoSchema, value: { reason, domain: "pdaas", metadata } },
    { desc: RequestInfoSchema, value: { requestId: "req_detail" } },
    ...(fieldViolations ? [{ desc: BadRequestSchema, value: { fieldViolations } }] : []),
    ...(retryAfterMs === undefined
      ? []
      : [{ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryAfterMs) } }]),
  ];
  return new ConnectError(message, code, undefined, details as never);
}

export const unavailable = (reason = "DATABASE_UNAVAILABLE", retryAfterMs = 1) =>
  refusal(Code.Unavailable, reason, { retryAfterMs });
