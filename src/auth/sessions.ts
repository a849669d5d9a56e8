import { Code, ServiceError } from "../errors.ts";
import type { Principal } from "../iam/principal.ts";
import type { Database } from "../store/database.ts";
import { findSessionUser } from "../store/sessions.ts";
import type { AccessTokens } from "./access-tokens.ts";
import { Allowlists } from "./allowlists.ts";
import { userPrincipal } from "./principals.ts";

/**
 * The user of an access token, and the allowlists that apply to it. The session is looked up on every call, so that a logout or a
 * disabled user counts at once and not only when the token expires.
 * @throws ServiceError UNAUTHENTICATED
 */
export async function authenticateSession(
  db: Database,
  accessTokens: AccessTokens,
  authorization: string,
): Promise<{ principal: Principal; allowlists: Allowlists }> {
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  const { sessionId, userId } = await accessTokens.verify(token ?? "");
  const user = await findSessionUser(db, sessionId);
  if (user === undefined || user.id !== userId) throw sessionEnded();
  return {
    principal: userPrincipal(user, sessionId),
    allowlists: Allowlists.of(user.allowlists),
  };
}

export function sessionEnded(): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "SESSION_ENDED",
    "The session has ended. Log in again.",
  );
}
