import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { deleteGroup as deleteRow } from "../../store/groups.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import { ensureMayGrant, ensureMayRegroup, freedBy, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordGroup } from "../record.ts";
import { lockGroup } from "./lock-group.ts";

export const deleteGroup: Handler<typeof GroupService.method.deleteGroup> = async (
  app,
  call,
  request,
) => {
  await change(app, call, async (tx) => {
    const group = await lockGroup(tx, call, request);
    const statements = freedBy(await statementsOfTargets(tx, call, [group.id]));
    await ensureMayGrant(tx, call, { statements });
    await ensureMayRegroup(tx, call, { groupId: group.id }, statements);
    await deleteRow(tx, group);
    recordGroup(call, group, undefined);
    await ensureAdministratorLeft(tx, call);
  });
  return {};
};
