import { notFound } from "../../errors.ts";
import type { Transaction } from "../../store/database.ts";
import { lockUser as lockRow, type UserRow } from "../../store/users.ts";
import type { Call } from "../call.ts";
import { ensureEtag } from "../etag.ts";

/**
 * The user that a change is about, held until the change is committed.
 * @throws ServiceError NOT_FOUND, or ABORTED when the caller's etag is not the current one
 */
export async function lockUser(
  tx: Transaction,
  call: Call,
  request: { userId: string; etag?: string },
): Promise<UserRow> {
  const row = await lockRow(tx, call.principal.organizationId, request.userId);
  if (row === undefined) throw notFound("user", request.userId);
  ensureEtag(request.etag ?? "", row, "user");
  return row;
}
