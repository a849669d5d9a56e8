import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { managedPolicies } from "../../iam/managed-policies.ts";
import { listPolicies as listRows } from "../../store/policies.ts";
import type { Handler } from "../handler.ts";
import { readPage, toPage } from "../paging.ts";
import { managedToPolicy, toPolicy } from "../resources.ts";

export const listPolicies: Handler<typeof PolicyService.method.listPolicies> = async (
  app,
  call,
  request,
) => {
  const filters = [call.method.action];
  const page = readPage(request, filters);
  const managed = managedAfter(page.after);
  // Those of the organization begin where the others end.
  const after = managed.length > 0 || isManaged(page.after) ? "" : page.after;
  const rows = await listRows(app.db, call.principal.organizationId, {
    after,
    limit: Math.max(0, page.limit - managed.length),
  });
  const all = [...managed.map(managedToPolicy), ...rows.map(toPolicy)];
  const { rows: kept, nextPageToken } = toPage(all, page, filters, ({ id }) => id as string);
  return { policies: kept, nextPageToken };
};

function isManaged(id: string): boolean {
  return managedPolicies.some((policy) => policy.id === id);
}

/** The policies that come with the product after one of them; none after one of the organization's. */
function managedAfter(id: string) {
  if (id === "") return managedPolicies;
  const index = managedPolicies.findIndex((policy) => policy.id === id);
  return index === -1 ? [] : managedPolicies.slice(index + 1);
}
