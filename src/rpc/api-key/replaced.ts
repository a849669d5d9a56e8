import { Code, ServiceError } from "../../errors.ts";
import { type ApiKeyRow, findApiKey } from "../../store/api-keys.ts";
import type { Queryable } from "../../store/database.ts";

/** For how long a key that is replaced may still be honoured. */
export const maxOverlapMs = 90 * 24 * 3_600_000;

/** Whether another key replaces this one, and was not revoked itself. */
export async function isReplaced(db: Queryable, key: ApiKeyRow): Promise<boolean> {
  if (key.successor_id === null) return false;
  const successor = await findApiKey(db, key.organization_id, key.successor_id);
  return successor !== undefined && successor.revoke_time === null;
}

export function notRotated(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "API_KEY_NOT_ROTATED",
    "No key replaces this one, so retiring it would leave its program without any. Replace it with RotateApiKey first, or stop it for good with RevokeApiKey.",
  );
}
