import { Code, ServiceError } from "../errors.ts";

/** Changes with every change of the row. */
export function etagOf(row: { version: number }): string {
  return `v${row.version}`;
}

/**
 * Holds that a row is in the state that a change is meant for.
 * @param etag the caller's; empty for whatever state
 * @param what such as `service account`
 * @throws ServiceError ABORTED
 */
export function ensureEtag(etag: string, row: { version: number }, what: string): void {
  const current = etagOf(row);
  if (etag === "" || etag === current) return;
  throw new ServiceError(
    Code.aborted,
    "ETAG_MISMATCH",
    `The ${what} has changed since you read it. Get it again, and repeat the change with the etag ${current} if you still want it.`,
    { metadata: { etag: current } },
  );
}
