import { notFound } from "../../errors.ts";
import type { Transaction } from "../../store/database.ts";
import { type GroupRow, lockGroup as lockRow } from "../../store/groups.ts";
import type { Call } from "../call.ts";
import { ensureEtag } from "../etag.ts";

/**
 * The group that a change is about, held until the change is committed.
 * @throws ServiceError NOT_FOUND, or ABORTED when the caller's etag is not the current one
 */
export async function lockGroup(
  tx: Transaction,
  call: Call,
  request: { groupId: string; etag?: string },
): Promise<GroupRow> {
  const row = await lockRow(tx, call.principal.organizationId, request.groupId);
  if (row === undefined) throw notFound("group", request.groupId);
  ensureEtag(request.etag ?? "", row, "group");
  return row;
}
