import { sql } from "kysely";
import type { Transaction } from "./database.ts";

/** How long a request identifier gets the first request's answer. */
export const rememberMinutes = 10;

export interface IdempotentRequest {
  organization_id: string;
  principal_id: string;
  action: string;
  request_id: string;
  request_hash: Buffer;
  /** What the request creates, if it is the first. */
  resource_id: string;
}

/**
 * Claims a request identifier. A second request at the same time waits here for the first one's
 * transaction to end.
 * @returns the claim that stands, and whether it is an earlier request's
 */
export async function claimRequest(
  tx: Transaction,
  request: IdempotentRequest,
): Promise<{ request_hash: Buffer; resource_id: string; repeated: boolean }> {
  const expired = sql<boolean>`idempotent_requests.create_time < now() - make_interval(mins => ${rememberMinutes})`;
  const claimed = await tx
    .insertInto("idempotent_requests")
    .values(request)
    .onConflict((conflict) =>
      conflict
        .columns(["organization_id", "principal_id", "action", "request_id"])
        .doUpdateSet({
          request_hash: request.request_hash,
          resource_id: request.resource_id,
          create_time: sql<Date>`now()`,
        })
        .where(expired),
    )
    .returning(["request_hash", "resource_id"])
    .executeTakeFirst();
  if (claimed !== undefined) return { ...claimed, repeated: false };
  const earlier = await tx
    .selectFrom("idempotent_requests")
    .select(["request_hash", "resource_id"])
    .where("organization_id", "=", request.organization_id)
    .where("principal_id", "=", request.principal_id)
    .where("action", "=", request.action)
    .where("request_id", "=", request.request_id)
    .executeTakeFirstOrThrow();
  return { ...earlier, repeated: true };
}
