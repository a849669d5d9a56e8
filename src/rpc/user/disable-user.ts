import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { removeInvitations } from "../../store/invitations.ts";
import { endSessionsOf } from "../../store/sessions.ts";
import { updateUser } from "../../store/users.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordUser } from "../record.ts";
import { toUser } from "../resources.ts";
import { lockUser } from "./lock-user.ts";

export const disableUser: Handler<typeof UserService.method.disableUser> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const user = await lockUser(tx, call, request);
    if (user.disable_time !== null) return user;
    const disabled = await updateUser(tx, user, { disable_time: new Date() });
    await endSessionsOf(tx, user.id);
    await removeInvitations(tx, user.id);
    await ensureAdministratorLeft(tx, call);
    return recordUser(call, user, disabled);
  });
  return { user: toUser(row) };
};
