import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { Allowlists } from "../../auth/allowlists.ts";
import { userPrincipal } from "../../auth/principals.ts";
import { refreshTokenHash } from "../../auth/refresh-tokens.ts";
import { Code, ServiceError } from "../../errors.ts";
import type { Principal } from "../../iam/principal.ts";
import { endSession, findSessionUser, useRefreshToken } from "../../store/sessions.ts";
import { admitAddress } from "../admit-address.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { issueTokens } from "./session.ts";

export const refreshSession: Handler<typeof AuthService.method.refreshSession> = async (
  app,
  call,
  request,
) => {
  let principal: Principal | undefined;
  const hash = refreshTokenHash(request.refreshToken);
  const tokens = await change(
    app,
    call,
    async (tx) => {
      const use = await useRefreshToken(tx, hash);
      if (use.outcome === "unknown") throw invalid("UNKNOWN_REFRESH_TOKEN");
      call.claimant = { organizationId: use.organizationId };
      call.resourceId = use.sessionId;
      if (use.outcome === "reused") throw reused();
      const user = await findSessionUser(tx, use.sessionId);
      if (user === undefined) throw invalid("SESSION_ENDED");
      principal = userPrincipal(user, use.sessionId);
      admitAddress(app, call, principal, Allowlists.of(user.allowlists));
      const expireTime = user.session_expire_time;
      return issueTokens(app, tx, { id: use.sessionId, userId: user.id, expireTime });
    },
    () => ({ organizationId: principal?.organizationId ?? "", principal }),
  ).catch(async (error: unknown) => {
    // Outside the transaction that the refusal has undone: the session must end for good.
    const theft = error instanceof ServiceError && error.reason === "REFRESH_TOKEN_REUSED";
    if (theft) await endSession(app.db, call.resourceId);
    throw error;
  });
  return { tokens };
};

function invalid(trueReason: string): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "REFRESH_TOKEN_INVALID",
    "The refresh token is unknown or expired, or its session has ended. Log in again.",
    { trueReason },
  );
}

function reused(): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "REFRESH_TOKEN_REUSED",
    "The refresh token was used before, so somebody else may have it, and the session is ended. Log in again.",
  );
}
