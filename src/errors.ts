import type { ErrorReason } from "../gen/pdaas/v1/error_reason_pb.ts";
import { withoutSecrets } from "./ids.ts";

/** The canonical codes that the service answers with (google.rpc.Code; gRPC and Connect number them alike). */
export const Code = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** `ErrorInfo.domain` of every refusal. */
export const errorDomain = "pdaas";

/** A reason's name on the wire, such as `NONCE_REPLAYED`. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** A field that breaks a rule, as `google.rpc.BadRequest.FieldViolation` has it. */
export interface FieldViolation {
  /** Path of the field, such as `permissions[2]`. */
  field: string;
  description: string;
}

/** Beyond these, telling more helps nobody. */
const maxViolations = 20;
/** Messages travel in a header, percent-encoded, and HTTP/2 bounds those. */
const maxMessageLength = 1_000;
const maxDetailLength = 300;

export interface ServiceErrorOptions {
  /** What went wrong underneath. Logged, never answered. */
  cause?: unknown;
  /** `ErrorInfo.metadata`. */
  metadata?: Record<string, string>;
  /** `BadRequest.field_violations`. */
  violations?: FieldViolation[];
  /** `RetryInfo.retry_delay`, in milliseconds. */
  retryAfterMs?: number;
  /** What the audit log and the service log say instead of `reason`, where the caller may not know. */
  trueReason?: string;
}

/**
 * A refusal: what the caller is told, and what only the audit log and the service log are told.
 * The message says what to do next and holds nothing that the caller may not know.
 */
export class ServiceError extends Error {
  readonly code: Code;
  readonly reason: Reason;
  readonly metadata: Record<string, string>;
  readonly violations: FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly trueReason: string;

  constructor(code: Code, reason: Reason, message: string, options: ServiceErrorOptions = {}) {
    // It may quote what a caller sent, of any length and with half a character at its end.
    super(
      withoutSecrets(message).slice(0, maxMessageLength).toWellFormed(),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "ServiceError";
    this.code = code;
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.trueReason = options.trueReason ?? reason;
  }
}

/** What may quote a caller, in a detail that travels in a header too. */
function quotable(text: string): string {
  return withoutSecrets(text).slice(0, maxDetailLength).toWellFormed();
}

/** INVALID_ARGUMENT with the fields at fault. */
export function invalidFields(all: FieldViolation[]): ServiceError {
  const violations = all.slice(0, maxViolations).map(({ field, description }) => ({
    field: quotable(field),
    description: quotable(description),
  }));
  const summary = violations.map((v) => `${v.field}: ${v.description}`).join("; ");
  return new ServiceError(
    Code.invalidArgument,
    "FIELD_INVALID",
    `Correct the request: ${summary}.`,
    {
      violations,
    },
  );
}

/** CANCELLED by the caller. */
export function cancelled(): ServiceError {
  return new ServiceError(Code.cancelled, "CANCELLED", "The caller cancelled the call.");
}

/** DEADLINE_EXCEEDED before the call was done. */
export function deadlineExceeded(): ServiceError {
  return new ServiceError(
    Code.deadlineExceeded,
    "DEADLINE_EXCEEDED",
    "The deadline passed before the call was done. Allow it more time, and repeat a change with the same request_id.",
  );
}

/** NOT_FOUND, worded alike for what is not there and for what the caller may not see. */
export function notFound(type: string, id: string): ServiceError {
  return new ServiceError(
    Code.notFound,
    "RESOURCE_NOT_FOUND",
    `There is no ${type} "${id}" in your organization. Check the identifier, or list what there is.`,
  );
}

/** ALREADY_EXISTS, with what to do instead. */
export function alreadyExists(type: string, name: string, remedy: string): ServiceError {
  return new ServiceError(
    Code.alreadyExists,
    "RESOURCE_ALREADY_EXISTS",
    `There is a ${type} "${name}" already. ${remedy}`,
  );
}

/** RESOURCE_EXHAUSTED for good, until something is removed. */
export function limitReached(message: string): ServiceError {
  return new ServiceError(Code.resourceExhausted, "LIMIT_REACHED", message);
}
