import { Code, ServiceError } from "../errors.ts";

/** Node's codes for a server that cannot be reached, and Postgres's for one that cannot answer now. */
const unavailable = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"],
  ...["EHOSTUNREACH", "ENETUNREACH"],
  ...["53300", "57P01", "57P02", "57P03", "08000", "08001", "08003", "08004", "08006", "25P03"],
]);

const unavailableMessages =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|not queryable|Query read timeout/;

/** Whether an error says that Postgres cannot be reached or cannot answer now. */
function isUnavailable(error: Error & { code?: string; errors?: Error[] }): boolean {
  if (error.code !== undefined && unavailable.has(error.code)) return true;
  if (error.errors?.some(isUnavailable)) return true;
  return unavailableMessages.test(error.message);
}

/** What a failed query means to the caller. What is not known to be anything else is internal. */
export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof Error && isUnavailable(error)) {
    return new ServiceError(
      Code.unavailable,
      "DATABASE_UNAVAILABLE",
      "The database cannot be reached. Nothing was changed unless an earlier answer says so; try again shortly.",
      { cause: error, retryAfterMs: 1_000 },
    );
  }
  if (error instanceof Error && "code" in error && error.code === "57014") {
    return new ServiceError(
      Code.deadlineExceeded,
      "DEADLINE_EXCEEDED",
      "The database took too long and the query was cancelled. Try again, or ask for less at once.",
      { cause: error },
    );
  }
  return new ServiceError(
    Code.internal,
    "INTERNAL",
    "Something went wrong on the server. Try again; if it persists, report the request id.",
    { cause: error },
  );
}
