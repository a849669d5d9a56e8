import { dataKeyContext, masterKeyFrom, newDataKey, seal } from "../../src/auth/sealing.ts";
import { administratorPolicyId } from "../../src/iam/managed-policies.ts";
import { newId } from "../../src/ids.ts";
import type { TestDatabase } from "./database.ts";
import { administrator, masterKey } from "./service.ts";

/**
 * Stores another organization with the account `acc-123` and an administrator, who has the first
 * one's email and password. No RPC makes one.
 * @returns what its administrator logs in with
 */
export async function addOrganization(
  { query }: Pick<TestDatabase, "query">,
  slug: string,
): Promise<typeof administrator> {
  const id = newId("org");
  const userId = newId("usr");
  const { key } = masterKeyFrom(Buffer.from(masterKey, "base64"));
  const dataKey = seal(key, newDataKey(), dataKeyContext(id));
  await query(
    "insert into organizations (id, slug, name, sealed_data_key) values ($1, $2, $2, $3)",
    [id, slug, dataKey],
  );
  await query(
    "insert into accounts (organization_id, id, name, description) values ($1, 'acc-123', '', '')",
    [id],
  );
  await query(
    `insert into users (id, organization_id, email, name, password_hash)
      select $1, $2, email, name, password_hash from users where email = $3 limit 1`,
    [userId, id, administrator.email],
  );
  await query(
    "insert into policy_attachments (organization_id, policy_id, target_id) values ($1, $2, $3)",
    [id, administratorPolicyId, userId],
  );
  return { ...administrator, organizationSlug: slug };
}
