import {
  CreateUserRequestSchema,
  type UserService,
} from "../../../gen/pdaas/v1/user_service_pb.ts";
import { alreadyExists, notFound } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { findUser, insertUser } from "../../store/users.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureMayGive } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { ensureKnown } from "../known-permissions.ts";
import { recordUser } from "../record.ts";
import { toUser } from "../resources.ts";

export const createUser: Handler<typeof UserService.method.createUser> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const email = request.email.toLowerCase();
  const row = await change(app, call, async (tx) => {
    ensureKnown(request.permissions, "permissions");
    await ensureMayGive(tx, call, request.permissions, [organizationId]);
    if (request.permissions.length > 0) await ensureMayEmpowerOthers(tx, call);
    const id = newId("usr");
    const { resourceId, repeated } = await claim(tx, call, CreateUserRequestSchema, request, id);
    call.resourceId = resourceId;
    if (repeated) return findUser(tx, organizationId, resourceId);
    const created = await insertUser(tx, {
      id,
      organization_id: organizationId,
      email,
      name: request.name || email,
      password_hash: null,
      permissions: request.permissions.toSorted(),
    });
    if (created === undefined) throw alreadyExists("user", email, "Use it, or invite it again.");
    return recordUser(call, undefined, created);
  });
  if (row === undefined) throw notFound("user", call.resourceId);
  return { user: toUser(row) };
};
