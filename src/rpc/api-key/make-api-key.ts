import { limitReached } from "../../errors.ts";
import { newAccessKey } from "../../ids.ts";
import { countLiveApiKeys, insertApiKey, type UsedApiKeyRow } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import type { OrganizationRow } from "../../store/organizations.ts";
import type { ServiceAccountRow } from "../../store/service-accounts.ts";
import type { App } from "../app.ts";
import type { RateColumns } from "../rate-limit.ts";
import { makeSecret } from "./secret.ts";

/** A key with its secret. */
export interface MadeKey {
  row: UsedApiKeyRow;
  secretKey: string;
}

/** What a new key is to be. */
export interface KeyPlan extends RateColumns {
  id: string;
  name: string;
  description: string;
  labels: Record<string, string>;
  permission_limit: string[] | null;
  create_time: Date;
  expire_time: Date | null;
  predecessor_id: string | null;
}

/** Makes a key of a service account that the transaction holds. */
export async function makeApiKey(
  app: App,
  tx: Transaction,
  organization: OrganizationRow,
  owner: ServiceAccountRow,
  plan: KeyPlan,
): Promise<MadeKey> {
  const { secretKey, columns } = makeSecret(app, organization, plan.id);
  const row = await insertApiKey(tx, {
    ...plan,
    ...columns,
    labels: JSON.stringify(plan.labels),
    organization_id: organization.id,
    service_account_id: owner.id,
    access_key: newAccessKey(organization.slug, owner.account_id),
  });
  return { row: { ...row, last_use: null, successor_last_use: null }, secretKey };
}

/** @throws ServiceError LIMIT_REACHED when the service account has as many keys as it may */
export async function ensureRoomForKey(
  tx: Transaction,
  organization: OrganizationRow,
  owner: ServiceAccountRow,
): Promise<void> {
  const most = organization.max_api_keys;
  if ((await countLiveApiKeys(tx, owner.id)) < most) return;
  throw limitReached(
    `The service account has ${most} keys, which is the most that your organization lets it have. Revoke one that is not used any more, or replace one with RotateApiKey.`,
  );
}
