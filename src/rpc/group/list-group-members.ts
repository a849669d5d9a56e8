import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findGroup, listGroupMembers as listRows } from "../../store/groups.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toGroupMember } from "../resources.ts";

export const listGroupMembers: Handler<typeof GroupService.method.listGroupMembers> = async (
  app,
  call,
  request,
) => {
  const group = await findGroup(app.db, call.principal.organizationId, request.groupId);
  if (group === undefined) throw notFound("group", request.groupId);
  const filters = [call.method.action, group.id];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, group, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.member_id);
  return { groupMembers: kept.map(toGroupMember), nextPageToken };
};
