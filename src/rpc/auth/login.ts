import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { throttleLogin } from "../../auth/login-throttle.ts";
import { passwordHolds } from "../../auth/passwords.ts";
import { sessionDays } from "../../auth/refresh-tokens.ts";
import { userPrincipal } from "../../auth/sessions.ts";
import { Code, ServiceError } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { findOrganizationBySlug, summaryOf } from "../../store/organizations.ts";
import { insertSession } from "../../store/sessions.ts";
import { findUserByEmail, type UserRow } from "../../store/users.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toPrincipal } from "../resources.ts";
import { issueTokens } from "./session.ts";

export const login: Handler<typeof AuthService.method.login> = async (app, call, request) => {
  const organization = await findOrganizationBySlug(app.db, request.organizationSlug);
  if (organization !== undefined) call.claimant = { organizationId: organization.id };
  const throttle = await throttleLogin(app.db, request, call.address);
  const user = organization && (await findUserByEmail(app.db, organization.id, request.email));
  const holds = await passwordHolds(request.password, user?.password_hash);
  if (organization === undefined || user === undefined || !holds || user.disable_time !== null)
    throw failed(user, holds);
  await throttle.forgive();

  const session = {
    id: newId("ses"),
    userId: user.id,
    expireTime: new Date(Date.now() + sessionDays * 86_400_000),
  };
  const principal = userPrincipal(user, session.id, summaryOf(organization));
  call.resourceId = session.id;
  const tokens = await change(
    app,
    call,
    async (tx) => {
      await insertSession(tx, {
        id: session.id,
        organization_id: user.organization_id,
        user_id: user.id,
        expire_time: session.expireTime,
      });
      return issueTokens(app, tx, session);
    },
    () => ({ organizationId: user.organization_id, principal }),
  );
  return { tokens, principal: toPrincipal(principal) };
};

/** One answer to all: only the log learns which of the three did not fit. */
function failed(user: UserRow | undefined, passwordHeld: boolean): ServiceError {
  const known = passwordHeld ? "USER_DISABLED" : "WRONG_PASSWORD";
  return new ServiceError(
    Code.unauthenticated,
    "LOGIN_FAILED",
    "Organization, email and password do not belong together. Check all three.",
    { trueReason: user === undefined ? "UNKNOWN_USER" : known },
  );
}
