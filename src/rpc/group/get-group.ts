import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findGroup } from "../../store/groups.ts";
import type { Handler } from "../handler.ts";
import { toGroup } from "../resources.ts";

export const getGroup: Handler<typeof GroupService.method.getGroup> = async (
  app,
  call,
  request,
) => {
  const row = await findGroup(app.db, call.principal.organizationId, request.groupId);
  if (row === undefined) throw notFound("group", request.groupId);
  return { group: toGroup(row) };
};
