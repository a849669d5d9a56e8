import type { UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { listUsers as listRows } from "../../store/users.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { toUser } from "../resources.ts";

export const listUsers: Handler<typeof UserService.method.listUsers> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action];
  const page = readPage(request, filters);
  const rows = await listRows(app.db, call.principal.organizationId, page);
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => row.id);
  return { users: kept.map(toUser), nextPageToken };
};
