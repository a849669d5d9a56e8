import { Code, notFound, ServiceError } from "../../errors.ts";
import {
  type ApiKeyRow,
  findApiKey,
  lockApiKey,
  type UsedApiKeyRow,
} from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { lockServiceAccount, type ServiceAccountRow } from "../../store/service-accounts.ts";
import type { Call } from "../call.ts";
import { ensureEtag } from "../etag.ts";
import type { Empowered } from "../grants.ts";

/** A key and whose it is. */
export interface OwnedKey {
  key: ApiKeyRow;
  owner: ServiceAccountRow;
}

/**
 * The key that a change is about and its service account, held until the change is committed.
 * @throws ServiceError NOT_FOUND, or ABORTED when the caller's etag is not the current one
 */
export async function lockKey(
  tx: Transaction,
  call: Call,
  request: { apiKeyId: string; etag?: string },
): Promise<OwnedKey> {
  const { organizationId } = call.principal;
  const key = await lockApiKey(tx, organizationId, request.apiKeyId);
  if (key === undefined) throw notFound("API key", request.apiKeyId);
  const owner = await lockServiceAccount(tx, organizationId, key.service_account_id);
  if (owner === undefined) throw notFound("service account", key.service_account_id);
  call.accountId = owner.account_id;
  ensureEtag(request.etag ?? "", key, "API key");
  return { key, owner };
}

/** What a change that lets a key do more gives power to: see ensureMayEmpower. */
export function toEmpowered(key: ApiKeyRow): Empowered {
  const { service_account_id: memberId, permission_limit: limit, labels } = key;
  return { memberId, limit, labels };
}

/** @throws ServiceError FAILED_PRECONDITION when the key is revoked, which is final */
export function ensureNotRevoked(key: ApiKeyRow): void {
  if (key.revoke_time === null) return;
  throw new ServiceError(
    Code.failedPrecondition,
    "API_KEY_REVOKED",
    "The key is revoked, which is final. Issue another one with IssueApiKey.",
  );
}

/** A key that a change leaves as it is, with its uses. */
export async function unchanged(tx: Transaction, key: ApiKeyRow): Promise<UsedApiKeyRow> {
  const row = await findApiKey(tx, key.organization_id, key.id);
  if (row === undefined) throw notFound("API key", key.id);
  return row;
}
