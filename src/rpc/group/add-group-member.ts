import type { GroupService } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { limitReached } from "../../errors.ts";
import { forbids } from "../../iam/statement.ts";
import type { Transaction } from "../../store/database.ts";
import {
  countGroupMembers,
  countGroupsOf,
  findGroupMember,
  type GroupRow,
  insertGroupMember,
} from "../../store/groups.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import { ensureMayGrant, ensureMayRegroup, findPrincipal, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordGroupMember } from "../record.ts";
import { toGroupMember } from "../resources.ts";
import { lockGroup } from "./lock-group.ts";

const maxMembers = 10_000;
const maxGroupsOfMember = 50;

export const addGroupMember: Handler<typeof GroupService.method.addGroupMember> = async (
  app,
  call,
  request,
) => {
  const { memberId } = request;
  const row = await change(app, call, async (tx) => {
    const group = await lockGroup(tx, call, request);
    const { policies } = await findPrincipal(tx, group.organization_id, memberId);
    // Whoever joins a group may do what the group may.
    const statements = await statementsOfTargets(tx, call, [group.id]);
    await ensureMayGrant(tx, call, { statements, binding: policies.statements });
    const permits = statements.filter((statement) => !forbids(statement));
    await ensureMayRegroup(tx, call, { groupId: group.id, memberId }, permits);
    const known = await findGroupMember(tx, group, memberId);
    if (known !== undefined) return known;
    await ensureRoom(tx, group, memberId);
    await insertGroupMember(tx, group, memberId);
    await ensureAdministratorLeft(tx, call);
    return recordGroupMember(call, undefined, await findGroupMember(tx, group, memberId));
  });
  return { ...(row && { groupMember: toGroupMember(row) }) };
};

/** @throws ServiceError LIMIT_REACHED */
async function ensureRoom(tx: Transaction, group: GroupRow, memberId: string): Promise<void> {
  if ((await countGroupMembers(tx, group)) >= maxMembers) {
    throw limitReached(
      `The group has ${maxMembers} members, which is the most. Make another group with the same policies.`,
    );
  }
  if ((await countGroupsOf(tx, memberId)) >= maxGroupsOfMember) {
    throw limitReached(
      `${memberId} is in ${maxGroupsOfMember} groups, which is the most. Remove it from one first.`,
    );
  }
}
