import { notFound } from "../../errors.ts";
import { findAccount } from "../../store/accounts.ts";
import type { Queryable } from "../../store/database.ts";
import { findGroup } from "../../store/groups.ts";
import { findServiceAccount } from "../../store/service-accounts.ts";
import { findUser } from "../../store/users.ts";

/**
 * What a policy is attached to, and what policies apply to it by, from the organization on.
 * @throws ServiceError NOT_FOUND
 */
export async function targetPath(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<string[]> {
  const [name, path] = await findTarget(db, organizationId, id);
  if (path === undefined) throw notFound(name, id);
  return path;
}

async function findTarget(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<[name: string, path: string[] | undefined]> {
  const within = [organizationId, id];
  switch (id.slice(0, 4)) {
    case "org_":
      return ["organization", id === organizationId ? [id] : undefined];
    case "usr_":
      return ["user", (await findUser(db, organizationId, id)) && within];
    case "grp_":
      return ["group", (await findGroup(db, organizationId, id)) && within];
    case "svc_": {
      const row = await findServiceAccount(db, organizationId, id);
      return ["service account", row && [organizationId, row.account_id, id]];
    }
    default:
      return ["account", (await findAccount(db, organizationId, id)) && within];
  }
}
