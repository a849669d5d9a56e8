import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type ApiKeyService,
  ApiKeyState,
  type UpdateApiKeyRequest,
} from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { invalidFields, notFound } from "../../errors.ts";
import { type ApiKeyChanges, updateApiKey as updateRow } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findOrganization } from "../../store/organizations.ts";
import type { Call } from "../call.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import { ensureMayEmpower, ensureMayRelabel } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { ensureKnownLimit } from "../known-permissions.ts";
import { ensureRateWithin, rateColumns } from "../rate-limit.ts";
import { recordApiKey } from "../record.ts";
import { apiKeyState, toApiKey } from "../resources.ts";
import { earlier, endOfLife, ensureNoLonger } from "./end-of-life.ts";
import { ensureNotRevoked, lockKey, type OwnedKey, toEmpowered } from "./lock-api-key.ts";
import { ensureRoomForKey } from "./make-api-key.ts";
import {
  ensureLimitWithin,
  ensureWithin,
  keyEmpowered,
  type OwnLimits,
  ownLimits,
  rateForKeyOf,
} from "./own-limits.ts";
import { maxOverlapMs, notRotated } from "./replaced.ts";

export const updateApiKey: Handler<typeof ApiKeyService.method.updateApiKey> = async (
  app,
  call,
  request,
) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    const target = await lockKey(tx, call, request);
    const own = await ownLimits(tx, call);
    ensureNotRevoked(target.key);
    if (changes.labels !== undefined) {
      await ensureMayRelabel(tx, call, { ...toEmpowered(target.key), labels: request.labels });
    }
    if (changes.permission_limit !== undefined) {
      await ensureMayLimit(tx, call, own, target, changes.permission_limit);
    }
    if (changes.rate_per_second !== undefined) {
      ensureRateWithin(rateForKeyOf(own, target.owner.id), changes);
    }
    if (changes.expire_time !== undefined) {
      changes.expire_time = await newEnd(tx, call, own, target, changes.expire_time ?? undefined);
    }
    if (changes.retire_time !== undefined) {
      await ensureMayRetireAt(tx, call, own, target, changes.retire_time);
    }
    return recordApiKey(call, target.key, await updateRow(tx, target.key, changes));
  });
  return { apiKey: toApiKey(row) };
};

const updatable = [
  "name",
  "description",
  "labels",
  "expire_time",
  "permission_limit",
  "rate_limit",
  "retire_time",
] as const;

function changesOf(request: UpdateApiKeyRequest): ApiKeyChanges {
  const fields = maskedFields(request.updateMask, updatable);
  const { expireTime, retireTime, permissionLimit } = request;
  return {
    ...(fields.has("name") && { name: request.name }),
    ...(fields.has("description") && { description: request.description }),
    ...(fields.has("labels") && { labels: JSON.stringify(request.labels) }),
    ...(fields.has("expire_time") && {
      expire_time: expireTime ? timestampDate(expireTime) : null,
    }),
    ...(fields.has("retire_time") && {
      retire_time: retireTime ? timestampDate(retireTime) : null,
    }),
    ...(fields.has("permission_limit") && {
      permission_limit: permissionLimit?.permissions.toSorted() ?? null,
    }),
    ...(fields.has("rate_limit") && rateColumns(request.rateLimit)),
  };
}

/** Anybody who may change keys may narrow one; what it gains must be the caller's to give. */
async function ensureMayLimit(
  tx: Transaction,
  call: Call,
  own: OwnLimits | undefined,
  { key, owner }: OwnedKey,
  limit: string[] | null,
): Promise<void> {
  await ensureKnownLimit(tx, call, limit);
  const before = key.permission_limit ?? ["*"];
  if (before.includes("*")) return;
  const gained = limit?.filter((name) => !before.includes(name)) ?? null;
  if (gained?.length === 0) return;
  await ensureMayEmpower(tx, call, { ...toEmpowered(key), limit: gained });
  ensureLimitWithin(own, limit);
  ensureWithin(own, keyEmpowered(own, { key, owner }));
}

/** A key that goes on to live goes on to have its power. */
async function newEnd(
  tx: Transaction,
  call: Call,
  own: OwnLimits | undefined,
  { key, owner }: OwnedKey,
  wanted: Date | undefined,
): Promise<Date | null> {
  const { organizationId } = call.principal;
  const organization = await findOrganization(tx, organizationId);
  if (organization === undefined) throw notFound("organization", organizationId);
  await ensureMayEmpower(tx, call, toEmpowered(key));
  const ownEnd = own?.end ?? null;
  const end = endOfLife(wanted, { organization, ownEnd, from: key.create_time });
  const isLonger = earlier(end, key.expire_time) !== end;
  if (isLonger) ensureWithin(own, { ...keyEmpowered(own, { key, owner }), end });
  const isDead = key.successor_id === null && apiKeyState(key, Date.now()) === ApiKeyState.EXPIRED;
  if (isDead) await ensureRoomForKey(tx, organization, owner);
  return end;
}

/** The overlap of a rotation can be made longer or shorter, but not taken back. */
async function ensureMayRetireAt(
  tx: Transaction,
  call: Call,
  own: OwnLimits | undefined,
  { key }: OwnedKey,
  time: Date | null,
): Promise<void> {
  await ensureMayEmpower(tx, call, toEmpowered(key));
  if (key.successor_id === null) throw notRotated();
  const ahead = (time?.getTime() ?? 0) - Date.now();
  if (ahead <= 0 || ahead > maxOverlapMs) {
    const description =
      "must lie in the future, at most 90 days; use RetireApiKey to retire it now";
    throw invalidFields([{ field: "retire_time", description }]);
  }
  ensureNoLonger(time, own?.end ?? null);
}
