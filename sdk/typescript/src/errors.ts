import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";
import type { ErrorReason } from "../../../gen/pdaas/v1/error_reason_pb.ts";

/** The canonical codes (google.rpc.Code). */
export type PdaasErrorCode =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** Why the service refused a call, such as `PERMISSION_MISSING`. A newer service may know more reasons. */
export type PdaasErrorReason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** A field that breaks a rule. */
export interface FieldViolation {
  /** Path of the field in the contract's spelling, such as `permissions[2]`. */
  field: string;
  description: string;
}

/** What a PdaasError is made of. */
export interface PdaasErrorDetails {
  code: PdaasErrorCode;
  reason?: PdaasErrorReason | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  fieldViolations?: readonly FieldViolation[] | undefined;
  metadata?: Readonly<Record<string, string>> | undefined;
  cause?: unknown;
}

/** A call that failed: refused by the service, or without an answer from it. */
export class PdaasError extends Error {
  override readonly name = "PdaasError";
  readonly code: PdaasErrorCode;
  /** Why the service refused; undefined when the failure is not of its making. */
  readonly reason: PdaasErrorReason | undefined;
  /** The request's identifier at the service. Quote it when reporting a fault. */
  readonly requestId: string | undefined;
  /** How long the service asks to wait before another try. */
  readonly retryAfterMs: number | undefined;
  /** What is wrong with the request, field by field. */
  readonly fieldViolations: readonly FieldViolation[];
  /** What the reason comes with, such as `permission` or `etag`. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(message: string, details: PdaasErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.reason = details.reason;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
    this.fieldViolations = details.fieldViolations ?? [];
    this.metadata = details.metadata ?? {};
  }

  /** Whether the same call may succeed later. It says nothing of whether this one took effect. */
  get retryable(): boolean {
    return (
      this.code === "unavailable" ||
      (this.code === "resource_exhausted" && this.retryAfterMs !== undefined)
    );
  }
}

/** Whatever a transport threw, as a PdaasError. */
export function toPdaasError(thrown: unknown): PdaasError {
  if (thrown instanceof PdaasError) return thrown;
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "pdaas");
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const violations = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  return new PdaasError(error.rawMessage, {
    code: isNetworkFailure(error) ? "unavailable" : codeName(error.code),
    reason: info?.reason as PdaasErrorReason | undefined,
    requestId:
      error.metadata.get("x-request-id") ?? error.findDetails(RequestInfoSchema)[0]?.requestId,
    retryAfterMs: delay === undefined ? undefined : durationMs(delay),
    fieldViolations: violations.map(({ field, description }) => ({ field, description })),
    metadata: info?.metadata,
    cause: error,
  });
}

/** Whether the request cannot have reached the service. */
export function neverSent(error: PdaasError): boolean {
  return causesOf(error).some(({ code }) =>
    /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/.test(String(code)),
  );
}

/** Connections that break come under several codes of connect; fetch reports them as a TypeError. */
function isNetworkFailure(error: ConnectError): boolean {
  return causesOf(error).some(
    (cause) =>
      cause instanceof TypeError ||
      /^(?:ECONN\w+|E(?:PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)|ERR_(?:STREAM|HTTP2)_\w+)$/.test(
        String(cause.code),
      ),
  );
}

function causesOf(error: Error): (Error & { code?: unknown })[] {
  const causes: Error[] = [];
  let { cause } = error;
  while (cause instanceof Error && !causes.includes(cause)) {
    causes.push(cause);
    cause = cause.cause;
  }
  return causes;
}

function codeName(code: Code): PdaasErrorCode {
  if (code === Code.Canceled) return "cancelled";
  const name = Code[code] ?? "Unknown";
  return name.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase() as PdaasErrorCode;
}
