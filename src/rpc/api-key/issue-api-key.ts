import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type ApiKeyService,
  type IssueApiKeyRequest,
  IssueApiKeyRequestSchema,
} from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { notFound } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findOrganization, type OrganizationRow } from "../../store/organizations.ts";
import { lockServiceAccount } from "../../store/service-accounts.ts";
import type { App } from "../app.ts";
import { change } from "../change.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { ensureKnownLimit } from "../known-permissions.ts";
import { rateWithin } from "../rate-limit.ts";
import { recordApiKey } from "../record.ts";
import { toApiKey } from "../resources.ts";
import { ensureActive } from "../service-account/lock-service-account.ts";
import { endOfLife } from "./end-of-life.ts";
import { inheritAddresses } from "./inherited-addresses.ts";
import { ensureRoomForKey, type KeyPlan, type MadeKey, makeApiKey } from "./make-api-key.ts";
import { ensureLimitWithin, type OwnLimits, ownLimits, rateForKeyOf } from "./own-limits.ts";
import { openSecret } from "./secret.ts";

export const issueApiKey: Handler<typeof ApiKeyService.method.issueApiKey> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { row, secretKey } = await change(app, call, async (tx) => {
    const organization = await findOrganization(tx, organizationId);
    if (organization === undefined) throw notFound("organization", organizationId);
    // Held, so that the service account is not disabled, deleted or widened meanwhile.
    const owner = await lockServiceAccount(tx, organizationId, request.serviceAccountId);
    if (owner === undefined) throw notFound("service account", request.serviceAccountId);
    call.accountId = owner.account_id;
    const own = await ownLimits(tx, call);
    const limit = request.permissionLimit?.permissions.toSorted() ?? own?.permissionLimit ?? null;
    await ensureKnownLimit(tx, call, limit);
    ensureLimitWithin(own, limit);
    // A key acts as its service account, so issuing one hands out what it may do.
    await ensureMayEmpower(tx, call, { memberId: owner.id, limit, labels: request.labels });
    const { resourceId, repeated } = await claim(
      tx,
      call,
      IssueApiKeyRequestSchema,
      request,
      newId("key"),
    );
    call.resourceId = resourceId;
    if (repeated) return existing(app, tx, organization, resourceId);
    ensureActive(owner);
    await ensureRoomForKey(tx, organization, owner);
    const plan = { ...planOf(own, organization, request), id: resourceId, permission_limit: limit };
    const made = await makeApiKey(app, tx, organization, owner, plan);
    await inheritAddresses(tx, call, own, { id: resourceId, owner });
    recordApiKey(call, undefined, made.row);
    return made;
  });
  return { apiKey: toApiKey(row), secretKey };
};

function planOf(
  own: OwnLimits | undefined,
  organization: OrganizationRow,
  request: IssueApiKeyRequest,
): Omit<KeyPlan, "id" | "permission_limit"> {
  const ownEnd = own?.end ?? null;
  const wantedEnd = request.expireTime && timestampDate(request.expireTime);
  const from = new Date();
  return {
    name: request.name,
    description: request.description,
    labels: request.labels,
    create_time: from,
    expire_time: endOfLife(wantedEnd, { organization, ownEnd, from }),
    predecessor_id: null,
    ...rateWithin(rateForKeyOf(own, request.serviceAccountId), request.rateLimit),
  };
}

/** The key that the first of two equal requests issued: its answer may have been lost. */
async function existing(
  app: App,
  tx: Transaction,
  organization: OrganizationRow,
  id: string,
): Promise<MadeKey> {
  const row = await findApiKey(tx, organization.id, id);
  if (row === undefined) throw notFound("API key", id);
  return { row, secretKey: openSecret(app, organization, row) };
}
