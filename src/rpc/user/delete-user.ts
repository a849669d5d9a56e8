import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { deleteUser as deleteRow } from "../../store/users.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordUser } from "../record.ts";
import { lockUser } from "./lock-user.ts";

export const deleteUser: Handler<typeof UserService.method.deleteUser> = async (
  app,
  call,
  request,
) => {
  await change(app, call, async (tx) => {
    const user = await lockUser(tx, call, request);
    await deleteRow(tx, user);
    recordUser(call, user, undefined);
    await ensureAdministratorLeft(tx, call);
  });
  return {};
};
