import { AllowlistLevel } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { type AllowlistLevel as LevelName, levelOf } from "../../auth/allowlists.ts";
import { notFound } from "../../errors.ts";
import { findAccount } from "../../store/accounts.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Queryable } from "../../store/database.ts";
import { findServiceAccount } from "../../store/service-accounts.ts";

const names: Record<LevelName, string> = {
  ORGANIZATION: "organization",
  ACCOUNT: "account",
  SERVICE_ACCOUNT: "service account",
  API_KEY: "API key",
};

/** The level of a resource's allowlist, as the contract has it. */
export function toLevel(resourceId: string): AllowlistLevel {
  return AllowlistLevel[levelOf(resourceId)];
}

/**
 * A resource of the caller's organization and all that it is part of, from the organization on: the
 * resources whose allowlists apply to it.
 * @throws ServiceError NOT_FOUND
 */
export async function resourcePath(
  db: Queryable,
  organizationId: string,
  resourceId: string,
): Promise<string[]> {
  const within = await pathWithin(db, organizationId, resourceId);
  if (within === undefined) throw notFound(names[levelOf(resourceId)], resourceId);
  return [organizationId, ...within];
}

async function pathWithin(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<string[] | undefined> {
  switch (levelOf(id)) {
    case "ORGANIZATION":
      return id === organizationId ? [] : undefined;
    case "ACCOUNT":
      return (await findAccount(db, organizationId, id)) && [id];
    case "SERVICE_ACCOUNT": {
      const row = await findServiceAccount(db, organizationId, id);
      return row && [row.account_id, id];
    }
    case "API_KEY": {
      const key = await findApiKey(db, organizationId, id);
      const owner = key && (await findServiceAccount(db, organizationId, key.service_account_id));
      return owner && [owner.account_id, owner.id, id];
    }
  }
}
