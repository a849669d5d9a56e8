import {
  CreateGroupRequestSchema,
  type GroupService,
} from "../../../gen/pdaas/v1/group_service_pb.ts";
import { alreadyExists, notFound } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { findGroup, insertGroup } from "../../store/groups.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { recordGroup } from "../record.ts";
import { toGroup } from "../resources.ts";

export const createGroup: Handler<typeof GroupService.method.createGroup> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { name, description } = request;
  const row = await change(app, call, async (tx) => {
    const id = newId("grp");
    const { resourceId, repeated } = await claim(tx, call, CreateGroupRequestSchema, request, id);
    call.resourceId = resourceId;
    if (repeated) return findGroup(tx, organizationId, resourceId);
    const created = await insertGroup(tx, {
      id,
      organization_id: organizationId,
      name,
      description,
    });
    if (created === undefined)
      throw alreadyExists("group", name, "Use it, or choose another name.");
    return recordGroup(call, undefined, created);
  });
  if (row === undefined) throw notFound("group", call.resourceId);
  return { group: toGroup(row) };
};
