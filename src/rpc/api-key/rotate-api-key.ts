import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type ApiKeyService,
  type RotateApiKeyRequest,
  RotateApiKeyRequestSchema,
} from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { Code, notFound, ServiceError } from "../../errors.ts";
import { newId } from "../../ids.ts";
import {
  type ApiKeyRow,
  findApiKey,
  type UsedApiKeyRow,
  updateApiKey,
} from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findOrganization, type OrganizationRow } from "../../store/organizations.ts";
import type { App } from "../app.ts";
import type { Call } from "../call.ts";
import { change } from "../change.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { ensureRateWithin } from "../rate-limit.ts";
import { recordRotation } from "../record.ts";
import { toApiKey } from "../resources.ts";
import { ensureActive } from "../service-account/lock-service-account.ts";
import { earlier, endOfLife, latestByPolicy } from "./end-of-life.ts";
import { defaultQuietMs, ensureQuiet } from "./in-use.ts";
import { inheritAddresses } from "./inherited-addresses.ts";
import {
  ensureNotRevoked,
  lockKey,
  type OwnedKey,
  toEmpowered,
  unchanged,
} from "./lock-api-key.ts";
import { ensureRoomForKey, type KeyPlan, makeApiKey } from "./make-api-key.ts";
import { ensureLimitWithin, type OwnLimits, ownLimits, rateForKeyOf } from "./own-limits.ts";
import { isReplaced } from "./replaced.ts";
import { openSecret } from "./secret.ts";

const defaultOverlapMs = 24 * 3_600_000;

interface Rotated {
  successor: UsedApiKeyRow;
  secretKey: string;
  predecessor: UsedApiKeyRow;
}

export const rotateApiKey: Handler<typeof ApiKeyService.method.rotateApiKey> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  await app.usage.flush();
  const rotated = await change(app, call, async (tx) => {
    const organization = await findOrganization(tx, organizationId);
    if (organization === undefined) throw notFound("organization", organizationId);
    const target = await lockKey(tx, call, request);
    const { key, owner } = target;
    await ensureMayEmpower(tx, call, toEmpowered(key));
    const newKeyId = newId("key");
    const claimed = await claim(tx, call, RotateApiKeyRequestSchema, request, newKeyId);
    if (claimed.repeated) return existing(app, tx, organization, key, claimed.resourceId);
    ensureNotRevoked(key);
    ensureActive(owner);
    if (await isReplaced(tx, key)) throw alreadyRotated(key);
    return rotate(app, tx, call, organization, target, request, newKeyId);
  });
  return {
    apiKey: toApiKey(rotated.successor),
    secretKey: rotated.secretKey,
    predecessor: toApiKey(rotated.predecessor),
  };
};

async function rotate(
  app: App,
  tx: Transaction,
  call: Call,
  organization: OrganizationRow,
  { key, owner }: OwnedKey,
  request: RotateApiKeyRequest,
  id: string,
): Promise<Rotated> {
  const overlapMs = request.overlap ? durationMs(request.overlap) : defaultOverlapMs;
  if (!request.force && overlapMs < defaultQuietMs) {
    ensureQuiet(await unchanged(tx, key), defaultQuietMs);
  }
  const predecessor = await updateApiKey(tx, key, {
    successor_id: id,
    retire_time: new Date(Date.now() + overlapMs),
  });
  await ensureRoomForKey(tx, organization, owner);
  const own = await ownLimits(tx, call);
  ensureLimitWithin(own, key.permission_limit);
  const plan = planOf(own, organization, key, request, id);
  const { row, secretKey } = await makeApiKey(app, tx, organization, owner, plan);
  await inheritAddresses(tx, call, own, { id, owner, predecessor: key });
  recordRotation(call, key, { retired: predecessor, successor: row });
  return { successor: row, secretKey, predecessor };
}

/** The successor has the limits of the key that it replaces, and as long a life ahead. */
function planOf(
  own: OwnLimits | undefined,
  organization: OrganizationRow,
  key: ApiKeyRow,
  request: RotateApiKeyRequest,
  id: string,
): KeyPlan {
  ensureRateWithin(rateForKeyOf(own, key.service_account_id), key);
  const from = new Date();
  const bounds = { organization, ownEnd: own?.end ?? null, from };
  const wanted = request.expireTime ? timestampDate(request.expireTime) : undefined;
  return {
    id,
    name: key.name,
    description: key.description,
    labels: key.labels,
    permission_limit: key.permission_limit,
    rate_per_second: key.rate_per_second,
    rate_burst: key.rate_burst,
    create_time: from,
    expire_time: endOfLife(wanted ?? sameLife(key, bounds), bounds),
    predecessor_id: key.id,
  };
}

/** As long a life as the key was given, within what is allowed; undefined where it was given no end. */
function sameLife(key: ApiKeyRow, bounds: Parameters<typeof endOfLife>[1]): Date | undefined {
  if (key.expire_time === null) return undefined;
  const life = key.expire_time.getTime() - key.create_time.getTime();
  const end = new Date(bounds.from.getTime() + life);
  const allowed = earlier(latestByPolicy(bounds), bounds.ownEnd);
  return earlier(end, allowed) ?? undefined;
}

/** The rotation that the first of two equal requests made: its answer may have been lost. */
async function existing(
  app: App,
  tx: Transaction,
  organization: OrganizationRow,
  key: ApiKeyRow,
  successorId: string,
): Promise<Rotated> {
  const successor = await findApiKey(tx, organization.id, successorId);
  if (successor === undefined) throw notFound("API key", successorId);
  const secretKey = openSecret(app, organization, successor);
  return { successor, secretKey, predecessor: await unchanged(tx, key) };
}

function alreadyRotated({ successor_id: successorId }: ApiKeyRow): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "API_KEY_ALREADY_ROTATED",
    `${successorId} replaces this key already. Rotate that one, or revoke it and try again.`,
    { metadata: { successor_id: successorId ?? "" } },
  );
}
