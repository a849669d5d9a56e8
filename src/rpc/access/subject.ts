import { AccessObstacle } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { ApiKeyState } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { serviceAccountPrincipal, userPrincipal } from "../../auth/principals.ts";
import { notFound } from "../../errors.ts";
import type { Principal } from "../../iam/principal.ts";
import { type ApiKeyRow, findApiKey } from "../../store/api-keys.ts";
import type { Queryable } from "../../store/database.ts";
import { findServiceAccountMember, findUserMember } from "../../store/members.ts";
import { apiKeyState } from "../resources.ts";

/** Whom a question is about. */
export interface Subject {
  principal: Principal;
  /** What refuses all that it does. */
  obstacle: AccessObstacle;
}

/**
 * Finds whom a question is about, in the organization of whoever asks.
 * @param apiKeyId empty where no key is named
 * @throws ServiceError NOT_FOUND
 */
export async function findSubject(
  db: Queryable,
  organizationId: string,
  { principalId, apiKeyId }: { principalId: string; apiKeyId: string },
): Promise<Subject> {
  const key = apiKeyId === "" ? undefined : await findApiKey(db, organizationId, apiKeyId);
  const isItsOwn = apiKeyId === "" || key?.service_account_id === principalId;
  if (!isItsOwn) throw notFound("API key", apiKeyId);
  return principalId.startsWith("usr_")
    ? findUserSubject(db, organizationId, principalId)
    : findServiceAccountSubject(db, organizationId, principalId, key);
}

async function findUserSubject(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<Subject> {
  const user = await findUserMember(db, organizationId, id);
  if (user === undefined) throw notFound("user", id);
  const isActive = user.disable_time === null && user.password_hash !== null;
  const obstacle = isActive ? AccessObstacle.UNSPECIFIED : AccessObstacle.USER_NOT_ACTIVE;
  return { principal: userPrincipal(user, ""), obstacle };
}

async function findServiceAccountSubject(
  db: Queryable,
  organizationId: string,
  id: string,
  key: ApiKeyRow | undefined,
): Promise<Subject> {
  const account = await findServiceAccountMember(db, organizationId, id);
  if (account === undefined) throw notFound("service account", id);
  const principal = serviceAccountPrincipal(account, key);
  if (account.disable_time !== null || account.delete_time !== null) {
    return { principal, obstacle: AccessObstacle.SERVICE_ACCOUNT_NOT_ACTIVE };
  }
  const isHonoured = key === undefined || apiKeyState(key, Date.now()) === ApiKeyState.ACTIVE;
  const obstacle = isHonoured ? AccessObstacle.UNSPECIFIED : AccessObstacle.API_KEY_NOT_ACTIVE;
  return { principal, obstacle };
}
