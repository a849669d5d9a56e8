import type { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findOrganization } from "../../store/organizations.ts";
import type { Handler } from "../handler.ts";
import { toOrganization } from "../resources.ts";

export const getOrganization: Handler<typeof OrganizationService.method.getOrganization> = async (
  app,
  call,
) => {
  const row = await findOrganization(app.db, call.principal.organizationId);
  if (row === undefined) throw notFound("organization", call.principal.organizationId);
  return { organization: toOrganization(row) };
};
