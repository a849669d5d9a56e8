import {
  type ApiKeyService,
  IssueApiKeyRequestSchema,
} from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { dataKeyContext, seal, secretContext, unseal } from "../../auth/sealing.ts";
import { Code, notFound, ServiceError } from "../../errors.ts";
import { authorizeGrant } from "../../iam/authorize.ts";
import { newAccessKey, newId, newSecretKey } from "../../ids.ts";
import {
  type ApiKeyRow,
  countLiveApiKeys,
  findApiKey,
  insertApiKey,
} from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findOrganization, type OrganizationRow } from "../../store/organizations.ts";
import { lockServiceAccount, type ServiceAccountRow } from "../../store/service-accounts.ts";
import type { App } from "../app.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { toApiKey } from "../resources.ts";
import { ensureNotDeleted } from "../service-account/lock-service-account.ts";

const maxLiveKeys = 100;
const secretVersion = 1;

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
    // A key acts as its service account, so issuing one hands out all that the account has.
    authorizeGrant(call.principal, owner.permissions);
    const { resourceId, repeated } = await claim(
      tx,
      call,
      IssueApiKeyRequestSchema,
      request,
      newId("key"),
    );
    call.resourceId = resourceId;
    if (repeated) return existing(app, tx, organization, resourceId);
    await ensureIssuable(tx, owner);
    return issue(app, tx, organization, owner, resourceId, request.description);
  });
  return { apiKey: toApiKey(row), secretKey };
};

interface Issued {
  row: ApiKeyRow;
  secretKey: string;
}

async function ensureIssuable(tx: Transaction, owner: ServiceAccountRow): Promise<void> {
  ensureNotDeleted(owner);
  if (owner.disable_time !== null) {
    throw new ServiceError(
      Code.failedPrecondition,
      "RESOURCE_DISABLED",
      "The service account is disabled. Enable it with EnableServiceAccount first.",
    );
  }
  if ((await countLiveApiKeys(tx, owner.id)) < maxLiveKeys) return;
  throw new ServiceError(
    Code.resourceExhausted,
    "LIMIT_REACHED",
    `The service account has ${maxLiveKeys} keys that are not revoked, which is the most it can have. Revoke one that is not used any more.`,
  );
}

async function issue(
  app: App,
  tx: Transaction,
  organization: OrganizationRow,
  owner: ServiceAccountRow,
  id: string,
  description: string,
): Promise<Issued> {
  const secretKey = newSecretKey();
  const context = secretContext(organization.id, id, secretVersion);
  const row = await insertApiKey(tx, {
    id,
    organization_id: organization.id,
    service_account_id: owner.id,
    access_key: newAccessKey(organization.slug, owner.account_id),
    algorithm: "hmac-sha256",
    sealed_secret: seal(dataKeyOf(app, organization), Buffer.from(secretKey), context),
    secret_version: secretVersion,
    description,
  });
  return { row, secretKey };
}

/** The key that the first of two equal requests issued: its answer may have been lost. */
async function existing(
  app: App,
  tx: Transaction,
  organization: OrganizationRow,
  id: string,
): Promise<Issued> {
  const row = await findApiKey(tx, organization.id, id);
  if (row === undefined) throw notFound("API key", id);
  const context = secretContext(organization.id, id, row.secret_version);
  const secret = unseal(dataKeyOf(app, organization), row.sealed_secret, context);
  return { row, secretKey: secret.toString() };
}

function dataKeyOf(app: App, organization: OrganizationRow): Buffer {
  const context = dataKeyContext(organization.id);
  return unseal(app.masterKey.key, organization.sealed_data_key, context);
}
