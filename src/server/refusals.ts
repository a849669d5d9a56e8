import { Code, deadlineExceeded, ServiceError } from "../errors.ts";

// Refusals that belong to the protocols, and are the same on both servers.

export function unknownMethod(path: string): ServiceError {
  return new ServiceError(
    Code.unimplemented,
    "METHOD_UNKNOWN",
    `There is no method ${JSON.stringify(path.slice(0, 200))}. Check the path against the contract in proto/pdaas/v1.`,
  );
}

/** @param header the one that says that the message is compressed */
export function compressed(header: string): ServiceError {
  return new ServiceError(
    Code.unimplemented,
    "ENCODING_UNSUPPORTED",
    `Compressed messages are not accepted. Send them without the header ${header}.`,
  );
}

export function messageTooLarge(): ServiceError {
  return new ServiceError(
    Code.resourceExhausted,
    "MESSAGE_TOO_LARGE",
    "The message is over 4 MiB. Send less at once.",
  );
}

export function bodyTooSlow(): ServiceError {
  return new ServiceError(
    Code.deadlineExceeded,
    "DEADLINE_EXCEEDED",
    "The body did not arrive in time. Send it at once after the headers.",
  );
}

/** What grpc-js means by a status that it answers without a handler. */
export function brokenProtocol(status: number): ServiceError {
  if (status === Code.deadlineExceeded) return deadlineExceeded();
  if (status === Code.resourceExhausted) return messageTooLarge();
  return new ServiceError(
    Code.invalidArgument,
    "MESSAGE_MALFORMED",
    "The request breaks the gRPC protocol. Check the client's framing, its grpc-timeout and its number of messages.",
  );
}

/** A stream ends, or does not begin, because its server does. */
export function shuttingDown(): ServiceError {
  return new ServiceError(
    Code.unavailable,
    "SHUTTING_DOWN",
    "The server is shutting down. Call again, after the last message that you have: another server goes on.",
    { retryAfterMs: 100 },
  );
}

/** @param most that one principal may have open at a time */
export function tooManyStreams(most: number): ServiceError {
  return new ServiceError(
    Code.resourceExhausted,
    "OVERLOADED",
    `You have ${most} streams open at this server, which is the most. End one first.`,
    { retryAfterMs: 1_000 },
  );
}
