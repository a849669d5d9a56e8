import type { AccessService } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { universeOf } from "../../iam/actions.ts";
import type { Handler } from "../handler.ts";
import { findSchema } from "../policy/policy-schema.ts";
import { effectivePermissions } from "./effective-permissions.ts";
import { findSubject } from "./subject.ts";

export const listEffectivePermissions: Handler<
  typeof AccessService.method.listEffectivePermissions
> = async (app, call, request) => {
  const { organizationId } = call.principal;
  const { principal } = await findSubject(app.db, organizationId, request);
  const { application } = await findSchema(app.db, organizationId);
  return { effectivePermissions: effectivePermissions(principal, universeOf(application)) };
};
