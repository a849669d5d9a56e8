import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { listGroups as listRows } from "../../store/groups.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toGroup } from "../resources.ts";

export const listGroups: Handler<typeof GroupService.method.listGroups> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action, request.memberId];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, call.principal.organizationId, request, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { groups: kept.map(toGroup), nextPageToken };
};
