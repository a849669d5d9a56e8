import type { UpdateUserRequest, UserService } from "../../../gen/pdaas/v1/user_service_pb.ts";
import { alreadyExists, type FieldViolation, invalidFields } from "../../errors.ts";
import type { Transaction } from "../../store/database.ts";
import { removeInvitations } from "../../store/invitations.ts";
import {
  findUserByEmail,
  type UserChanges,
  type UserRow,
  updateUser as updateRow,
} from "../../store/users.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import type { Call } from "../call.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { maskedFields } from "../field-mask.ts";
import { ensureMayEmpower, ensureMayGive } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { ensureKnown } from "../known-permissions.ts";
import { recordUser } from "../record.ts";
import { toUser } from "../resources.ts";
import { lockUser } from "./lock-user.ts";

export const updateUser: Handler<typeof UserService.method.updateUser> = async (
  app,
  call,
  request,
) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    const user = await lockUser(tx, call, request);
    if (changes.permissions !== undefined) await ensureMaySet(tx, call, user, changes.permissions);
    if (changes.email !== undefined) await ensureMayRename(tx, call, user, changes.email);
    const updated = await updateRow(tx, user, changes);
    if (changes.permissions !== undefined) await ensureAdministratorLeft(tx, call);
    return recordUser(call, user, updated);
  });
  return { user: toUser(row) };
};

const updatable = ["email", "name", "permissions"] as const;

function changesOf(request: UpdateUserRequest): UserChanges {
  const fields = maskedFields(request.updateMask, updatable);
  const { email, name, permissions } = request;
  const violations: FieldViolation[] = [];
  if (fields.has("email") && email === "") {
    violations.push({ field: "email", description: "must be an email address" });
  }
  if (fields.has("name") && name === "") {
    violations.push({ field: "name", description: "must have 1 to 100 characters" });
  }
  if (violations.length > 0) throw invalidFields(violations);
  return {
    ...(fields.has("email") && { email: email.toLowerCase() }),
    ...(fields.has("name") && { name }),
    ...(fields.has("permissions") && { permissions: permissions.toSorted() }),
  };
}

async function ensureMaySet(
  tx: Transaction,
  call: Call,
  user: UserRow,
  permissions: string[],
): Promise<void> {
  ensureKnown(permissions, "permissions");
  await ensureMayGive(tx, call, permissions, [user.organization_id, user.id]);
  const isWider = permissions.some((name) => !user.permissions.includes(name));
  if (isWider) await ensureMayEmpowerOthers(tx, call);
}

/** The address is what a user is known by: to change it is for those who could act as the user. */
async function ensureMayRename(
  tx: Transaction,
  call: Call,
  user: UserRow,
  email: string,
): Promise<void> {
  await ensureMayEmpower(tx, call, { memberId: user.id });
  const other = await findUserByEmail(tx, user.organization_id, email);
  if (other !== undefined && other.id !== user.id) {
    throw alreadyExists("user", email, "Choose another email address.");
  }
  // An invitation was sent to the old address.
  await removeInvitations(tx, user.id);
}
