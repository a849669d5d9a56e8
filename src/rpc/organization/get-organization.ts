import type { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import type { Handler } from "../handler.ts";
import { toOrganization } from "../resources.ts";

/** Asks nobody: the organization was read with the caller's credential, and is as fresh as that. */
export const getOrganization: Handler<typeof OrganizationService.method.getOrganization> = async (
  _app,
  call,
) => {
  const { organizationId, organization } = call.principal;
  return { organization: toOrganization(organizationId, organization) };
};
