import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findUser } from "../../store/users.ts";
import type { Handler } from "../handler.ts";
import { toUser } from "../resources.ts";

export const getUser: Handler<typeof UserService.method.getUser> = async (app, call, request) => {
  const row = await findUser(app.db, call.principal.organizationId, request.userId);
  if (row === undefined) throw notFound("user", request.userId);
  return { user: toUser(row) };
};
