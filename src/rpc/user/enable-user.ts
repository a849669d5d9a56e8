import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { updateUser } from "../../store/users.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordUser } from "../record.ts";
import { toUser } from "../resources.ts";
import { lockUser } from "./lock-user.ts";

export const enableUser: Handler<typeof UserService.method.enableUser> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const user = await lockUser(tx, call, request);
    // To let a user in again is to hand out what it may do.
    await ensureMayEmpower(tx, call, { memberId: user.id });
    await ensureMayEmpowerOthers(tx, call);
    if (user.disable_time === null) return user;
    return recordUser(call, user, await updateUser(tx, user, { disable_time: null }));
  });
  return { user: toUser(row) };
};
