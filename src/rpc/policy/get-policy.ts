import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findManagedPolicy } from "../../iam/managed-policies.ts";
import { findPolicy } from "../../store/policies.ts";
import type { Handler } from "../handler.ts";
import { managedToPolicy, toPolicy } from "../resources.ts";

export const getPolicy: Handler<typeof PolicyService.method.getPolicy> = async (
  app,
  call,
  request,
) => {
  const { policyId } = request;
  const managed = findManagedPolicy(policyId);
  if (managed !== undefined) return { policy: managedToPolicy(managed) };
  const row = await findPolicy(app.db, call.principal.organizationId, policyId);
  if (row === undefined) throw notFound("policy", policyId);
  return { policy: toPolicy(row) };
};
