import {
  dataKeyContext,
  seal,
  secretContext,
  secretFingerprint,
  unseal,
} from "../../auth/sealing.ts";
import { newSecretKey } from "../../ids.ts";
import type { ApiKeyRow } from "../../store/api-keys.ts";
import type { OrganizationRow } from "../../store/organizations.ts";
import type { App } from "../app.ts";

const version = 1;

/** A new secret key, and what is stored of it. */
export function makeSecret(app: App, organization: OrganizationRow, apiKeyId: string) {
  const secretKey = newSecretKey();
  const context = secretContext(organization.id, apiKeyId, version);
  return {
    secretKey,
    columns: {
      algorithm: "hmac-sha256",
      sealed_secret: seal(dataKeyOf(app, organization), Buffer.from(secretKey), context),
      secret_version: version,
      secret_fingerprint: secretFingerprint(app.masterKey, secretKey),
    },
  };
}

/** The secret of a key, for the caller that has issued it and may have lost the answer. */
export function openSecret(app: App, organization: OrganizationRow, row: ApiKeyRow): string {
  const context = secretContext(organization.id, row.id, row.secret_version);
  return unseal(dataKeyOf(app, organization), row.sealed_secret, context).toString();
}

/** What seals the secrets of an organization. */
export function dataKeyOf(
  app: App,
  organization: Pick<OrganizationRow, "id" | "sealed_data_key">,
): Buffer {
  const context = dataKeyContext(organization.id);
  return unseal(app.masterKey.key, organization.sealed_data_key, context);
}
