import { ApiKeyState } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { Code, ServiceError } from "../../errors.ts";
import { type ApiKeyRow, findApiKey } from "../../store/api-keys.ts";
import type { Queryable } from "../../store/database.ts";
import { apiKeyState } from "../resources.ts";

/** For how long a key that is replaced may still be honoured. */
export const maxOverlapMs = 90 * 24 * 3_600_000;

/**
 * Whether another key replaces this one.
 * @param by one that was not revoked, or one that is honoured now
 */
export async function isReplaced(
  db: Queryable,
  key: ApiKeyRow,
  by: "unrevoked" | "honoured" = "unrevoked",
): Promise<boolean> {
  if (key.successor_id === null) return false;
  const successor = await findApiKey(db, key.organization_id, key.successor_id);
  if (successor === undefined || successor.revoke_time !== null) return false;
  return by === "unrevoked" || apiKeyState(successor, Date.now()) === ApiKeyState.ACTIVE;
}

export function notRotated(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "API_KEY_NOT_ROTATED",
    "No honoured key replaces this one, so retiring it would leave its program without any. Replace it with RotateApiKey first, or stop it for good with RevokeApiKey.",
  );
}
