import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { Allowlists } from "../../auth/allowlists.ts";
import { passwordHolds } from "../../auth/passwords.ts";
import { userPrincipal } from "../../auth/principals.ts";
import { sessionDays } from "../../auth/refresh-tokens.ts";
import { throttleLogin } from "../../auth/throttle.ts";
import { Code, ServiceError } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { readAllowlists } from "../../store/allowlists.ts";
import { findUserMember } from "../../store/members.ts";
import { findOrganizationBySlug } from "../../store/organizations.ts";
import { insertSession } from "../../store/sessions.ts";
import { findUserByEmail, type UserRow } from "../../store/users.ts";
import { addressReason } from "../admit-address.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toPrincipal } from "../resources.ts";
import { issueTokens } from "./session.ts";

export const login: Handler<typeof AuthService.method.login> = async (app, call, request) => {
  const organization = await findOrganizationBySlug(app.db, request.organizationSlug);
  if (organization !== undefined) call.claimant = { organizationId: organization.id };
  const throttle = await throttleLogin(app.db, request, call.address);
  const user = organization && (await findUserByEmail(app.db, organization.id, request.email));
  const holds = await passwordHolds(request.password, user?.password_hash ?? undefined);
  if (organization === undefined || user === undefined || !holds || user.disable_time !== null)
    throw failed(user, holds);
  const allowlists = Allowlists.of(await readAllowlists(app.db, organization.id, []));
  const { refusing } = allowlists.judge(call.address, Date.now());
  // After the password, and in the same words: from elsewhere nobody learns that it is the right one.
  if (refusing !== undefined) throw loginFailed(addressReason(refusing));
  await throttle.forgive();

  const session = {
    id: newId("ses"),
    userId: user.id,
    expireTime: new Date(Date.now() + sessionDays * 86_400_000),
  };
  const member = await findUserMember(app.db, organization.id, user.id);
  if (member === undefined) throw failed(undefined, false);
  const principal = userPrincipal(member, session.id);
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

/** One answer to all: only the log learns what did not fit. */
function failed(user: UserRow | undefined, passwordHeld: boolean): ServiceError {
  const known = passwordHeld ? "USER_DISABLED" : "WRONG_PASSWORD";
  return loginFailed(user === undefined ? "UNKNOWN_USER" : known);
}

function loginFailed(trueReason: string): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "LOGIN_FAILED",
    "Organization, email and password do not belong together, or you may not log in from your address. Check all of them.",
    { trueReason },
  );
}
