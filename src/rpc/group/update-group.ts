import type { GroupService, UpdateGroupRequest } from "../../../gen/pdaas/v1/group_service_pb.ts";
import { alreadyExists, invalidFields } from "../../errors.ts";
import { type GroupRow, isGroupNameTaken, updateGroup as updateRow } from "../../store/groups.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import type { Handler } from "../handler.ts";
import { recordGroup } from "../record.ts";
import { toGroup } from "../resources.ts";
import { lockGroup } from "./lock-group.ts";

export const updateGroup: Handler<typeof GroupService.method.updateGroup> = async (
  app,
  call,
  request,
) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    const group = await lockGroup(tx, call, request);
    const { name } = changes;
    if (name !== undefined && (await isGroupNameTaken(tx, group, name))) {
      throw alreadyExists("group", name, "Choose another name.");
    }
    return recordGroup(call, group, await updateRow(tx, group, changes));
  });
  return { group: toGroup(row) };
};

function changesOf(request: UpdateGroupRequest): Partial<Pick<GroupRow, "name" | "description">> {
  const fields = maskedFields(request.updateMask, ["name", "description"]);
  const { name, description } = request;
  if (fields.has("name") && name === "") {
    throw invalidFields([{ field: "name", description: "must have 1 to 100 characters" }]);
  }
  return {
    ...(fields.has("name") && { name }),
    ...(fields.has("description") && { description }),
  };
}
