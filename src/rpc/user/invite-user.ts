import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { invitationDays, invitationHash, newInvitationToken } from "../../auth/invitations.ts";
import { replaceInvitation } from "../../store/invitations.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { lockUser } from "./lock-user.ts";

export const inviteUser: Handler<typeof UserService.method.inviteUser> = async (
  app,
  call,
  request,
) => {
  const token = newInvitationToken();
  const expireTime = new Date(Date.now() + invitationDays * 86_400_000);
  await change(app, call, async (tx) => {
    const user = await lockUser(tx, call, request);
    // Whoever has the invitation can act as the user.
    await ensureMayEmpower(tx, call, { memberId: user.id });
    await ensureMayEmpowerOthers(tx, call);
    await replaceInvitation(tx, {
      hash: invitationHash(token),
      organization_id: user.organization_id,
      user_id: user.id,
      expire_time: expireTime,
    });
  });
  return {
    invitationToken: token,
    invitationLink: app.invitationPage === undefined ? "" : `${app.invitationPage}#${token}`,
    expireTime: timestampFromDate(expireTime),
  };
};
