import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { deleteGroupMember, findGroupMember } from "../../store/groups.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import { ensureMayGrant, ensureMayRegroup, freedBy, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordGroupMember } from "../record.ts";
import { lockGroup } from "./lock-group.ts";

export const removeGroupMember: Handler<typeof GroupService.method.removeGroupMember> = async (
  app,
  call,
  request,
) => {
  await change(app, call, async (tx) => {
    const group = await lockGroup(tx, call, request);
    const statements = freedBy(await statementsOfTargets(tx, call, [group.id]));
    await ensureMayGrant(tx, call, { statements });
    await ensureMayRegroup(tx, call, { groupId: group.id, memberId: request.memberId }, statements);
    const member = await findGroupMember(tx, group, request.memberId);
    await deleteGroupMember(tx, group, request.memberId);
    recordGroupMember(call, member, undefined);
    await ensureAdministratorLeft(tx, call);
  });
  return {};
};
