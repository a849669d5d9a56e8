import { Code, notFound, ServiceError } from "../../errors.ts";
import type { Transaction } from "../../store/database.ts";
import { lockServiceAccount, type ServiceAccountRow } from "../../store/service-accounts.ts";
import type { Call } from "../call.ts";
import { ensureEtag } from "../etag.ts";

/**
 * The service account that a change is about, held until the change is committed.
 * @throws ServiceError NOT_FOUND, or ABORTED when the caller's etag is not the current one
 */
export async function lock(
  tx: Transaction,
  call: Call,
  request: { serviceAccountId: string; etag: string },
): Promise<ServiceAccountRow> {
  const id = request.serviceAccountId;
  const row = await lockServiceAccount(tx, call.principal.organizationId, id);
  if (row === undefined) throw notFound("service account", id);
  call.accountId = row.account_id;
  ensureEtag(request.etag, row, "service account");
  return row;
}

/** @throws ServiceError FAILED_PRECONDITION when the service account is deleted */
export function ensureNotDeleted(row: ServiceAccountRow): void {
  if (row.delete_time === null) return;
  throw new ServiceError(
    Code.failedPrecondition,
    "RESOURCE_DELETED",
    "The service account is deleted. Bring it back with UndeleteServiceAccount first.",
  );
}

/** @throws ServiceError FAILED_PRECONDITION when the service account is deleted or disabled */
export function ensureActive(row: ServiceAccountRow): void {
  ensureNotDeleted(row);
  if (row.disable_time === null) return;
  throw new ServiceError(
    Code.failedPrecondition,
    "RESOURCE_DISABLED",
    "The service account is disabled. Enable it with EnableServiceAccount first.",
  );
}
