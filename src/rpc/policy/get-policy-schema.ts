import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { findApplicationSchema } from "../../store/policies.ts";
import type { Handler } from "../handler.ts";
import { toPolicySchema } from "./policy-schema.ts";

export const getPolicySchema: Handler<typeof PolicyService.method.getPolicySchema> = async (
  app,
  call,
) => {
  const row = await findApplicationSchema(app.db, call.principal.organizationId);
  return toPolicySchema(row);
};
