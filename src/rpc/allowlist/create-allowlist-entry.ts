import {
  type AllowlistService,
  CreateAllowlistEntryRequestSchema,
} from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { CidrError, canonicalCidr } from "../../auth/cidr.ts";
import { Code, invalidFields, notFound, ServiceError } from "../../errors.ts";
import { newId } from "../../ids.ts";
import {
  countAllowlistEntries,
  findAllowlistEntry,
  insertAllowlistEntry,
} from "../../store/allowlists.ts";
import type { Transaction } from "../../store/database.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { recordAllowlistEntry } from "../record.ts";
import { toAllowlistEntry } from "../resources.ts";
import { entryExpiry } from "./expiry.ts";
import { maxAllowlistEntries } from "./limits.ts";
import { ensureNotLockedOut } from "./locked-out.ts";
import { resourcePath } from "./resource.ts";

export const createAllowlistEntry: Handler<
  typeof AllowlistService.method.createAllowlistEntry
> = async (app, call, request) => {
  const { organizationId } = call.principal;
  const { resourceId, description, force } = request;
  const cidr = readCidr(request.cidr);
  const row = await change(app, call, async (tx) => {
    await resourcePath(tx, organizationId, resourceId);
    const id = newId("alw");
    const claimed = await claim(tx, call, CreateAllowlistEntryRequestSchema, request, id);
    call.resourceId = claimed.resourceId;
    if (claimed.repeated) return findAllowlistEntry(tx, organizationId, claimed.resourceId);
    await ensureRoom(tx, organizationId, resourceId);
    const created = await insertAllowlistEntry(tx, {
      id,
      organization_id: organizationId,
      resource_id: resourceId,
      cidr,
      description,
      expire_time: entryExpiry(request.expireTime),
    });
    if (created === undefined) throw taken(cidr);
    if (!force) await ensureNotLockedOut(app, tx, call);
    return recordAllowlistEntry(call, undefined, created);
  });
  if (row === undefined) throw notFound("allowlist entry", call.resourceId);
  return { allowlistEntry: toAllowlistEntry(row) };
};

function readCidr(text: string): string {
  try {
    return canonicalCidr(text);
  } catch (error) {
    if (!(error instanceof CidrError)) throw error;
    throw invalidFields([{ field: "cidr", description: error.message.replace(/\.$/, "") }]);
  }
}

async function ensureRoom(
  tx: Transaction,
  organizationId: string,
  resourceId: string,
): Promise<void> {
  const count = await countAllowlistEntries(tx, organizationId, resourceId);
  if (count < maxAllowlistEntries) return;
  throw new ServiceError(
    Code.resourceExhausted,
    "LIMIT_REACHED",
    `The allowlist has ${maxAllowlistEntries} entries, which is the most it can have. Remove one, or put several into a wider CIDR.`,
  );
}

function taken(cidr: string): ServiceError {
  return new ServiceError(
    Code.alreadyExists,
    "RESOURCE_ALREADY_EXISTS",
    `The allowlist has an entry for ${cidr} already. Change that one with UpdateAllowlistEntry.`,
  );
}
