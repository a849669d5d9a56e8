import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { invitationHash } from "../../auth/invitations.ts";
import { hashPassword } from "../../auth/passwords.ts";
import { throttleInvitation } from "../../auth/throttle.ts";
import { Code, ServiceError } from "../../errors.ts";
import type { Principal } from "../../iam/principal.ts";
import { findInvitation, takeInvitation } from "../../store/invitations.ts";
import { findOrganization } from "../../store/organizations.ts";
import { endSessionsOf } from "../../store/sessions.ts";
import { lockUser, updateUser } from "../../store/users.ts";
import { change } from "../change.ts";
import { findPrincipal } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordUser } from "../record.ts";

export const acceptInvitation: Handler<typeof AuthService.method.acceptInvitation> = async (
  app,
  call,
  request,
) => {
  const throttle = await throttleInvitation(app.db, call.address);
  const hash = invitationHash(request.invitationToken);
  // Looked for before the password is hashed, which costs much, and taken after.
  const invitation = await findInvitation(app.db, hash);
  if (invitation === undefined) throw invalid();
  const { organization_id: organizationId, user_id: userId } = invitation;
  call.claimant = { organizationId };
  call.resourceId = userId;
  const passwordHash = await hashPassword(request.password);
  let principal: Principal | undefined;
  const user = await change(
    app,
    call,
    async (tx) => {
      const row = await lockUser(tx, organizationId, userId);
      if (row === undefined || row.disable_time !== null) throw invalid();
      if ((await takeInvitation(tx, hash)) === undefined) throw invalid();
      await endSessionsOf(tx, userId);
      principal = await findPrincipal(tx, organizationId, userId);
      return recordUser(call, row, await updateUser(tx, row, { password_hash: passwordHash }));
    },
    () => ({ organizationId, principal }),
  );
  await throttle.forgive();
  const organization = await findOrganization(app.db, organizationId);
  return { organizationSlug: organization?.slug ?? "", email: user.email };
};

function invalid(): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "INVITATION_INVALID",
    "The invitation is unknown, expired or used. Ask an administrator for another one.",
  );
}
