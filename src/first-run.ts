import { hashPassword, newPassword } from "./auth/passwords.ts";
import { userPrincipal } from "./auth/principals.ts";
import { dataKeyContext, newDataKey, seal } from "./auth/sealing.ts";

import { type Config, ConfigError } from "./config.ts";
import { administratorPolicyId } from "./iam/managed-policies.ts";
import type { Principal } from "./iam/principal.ts";
import { newId, newRequestId } from "./ids.ts";
import type { App } from "./rpc/app.ts";
import { insertAccount } from "./store/accounts.ts";
import type { Transaction } from "./store/database.ts";
import { findUserMember } from "./store/members.ts";
import { hasOrganizations, insertOrganization, lockOrganizations } from "./store/organizations.ts";
import { attachPolicy } from "./store/policy-attachments.ts";
import { insertUser } from "./store/users.ts";

/** What the first start has made. */
export interface FirstRun {
  administrator: Principal;
  /** To be shown once, if it was made up here. */
  password: string | undefined;
  accountId: string;
}

/**
 * Makes the first organization with an administrator and an account, unless there is one already.
 * Of several processes that start at once, one does it.
 * @throws ConfigError in production when the administrator is not named
 */
export async function firstRun(config: Config, app: App): Promise<FirstRun | undefined> {
  if (await hasOrganizations(app.db)) return undefined;
  const { first, production } = config;
  if (production && first.password === undefined) {
    throw new ConfigError(
      "PDAAS_FIRST_ADMIN_EMAIL and PDAAS_FIRST_ADMIN_PASSWORD: the database is empty, and production does not make up its first administrator",
    );
  }
  const password = first.password ?? newPassword();
  const passwordHash = await hashPassword(password);
  const administrator = await app.db.transaction().execute(async (tx) => {
    await lockOrganizations(tx);
    if (await hasOrganizations(tx)) return undefined;
    return createFirst(app, tx, first, passwordHash);
  });
  if (administrator === undefined) return undefined;
  return {
    administrator,
    password: first.password === undefined ? password : undefined,
    accountId: first.accountId,
  };
}

async function createFirst(
  app: App,
  tx: Transaction,
  first: Config["first"],
  passwordHash: string,
): Promise<Principal> {
  const organizationId = newId("org");
  const slug = first.organizationSlug;
  await insertOrganization(tx, {
    id: organizationId,
    slug,
    name: slug,
    sealed_data_key: seal(app.masterKey.key, newDataKey(), dataKeyContext(organizationId)),
  });
  const userId = newId("usr");
  await insertUser(tx, {
    id: userId,
    organization_id: organizationId,
    email: first.email,
    name: "Administrator",
    password_hash: passwordHash,
    permissions: [],
  });
  const policyId = administratorPolicyId;
  await attachPolicy(tx, {
    organization_id: organizationId,
    policy_id: policyId,
    target_id: userId,
  });
  await insertAccount(tx, {
    organization_id: organizationId,
    id: first.accountId,
    name: first.accountId,
    description: "",
  });
  await app.audit.recordChange(tx, {
    organizationId,
    principal: undefined,
    action: "CreateFirstOrganization",
    resourceType: "Organization",
    resourceId: organizationId,
    requestId: newRequestId(),
    address: "",
    userAgent: "",
  });
  const user = await findUserMember(tx, organizationId, userId);
  if (user === undefined) throw new Error("the first organization was not stored");
  return userPrincipal(user, "");
}
