import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { detachPolicy as detachRow } from "../../store/policy-attachments.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureMayGrant, freedBy } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordPolicyAttachment } from "../record.ts";
import { findStatements } from "./find-policy.ts";

export const detachPolicy: Handler<typeof PolicyService.method.detachPolicy> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { policyId, targetId } = request;
  await change(app, call, async (tx) => {
    const statements = freedBy(await findStatements(tx, organizationId, policyId));
    if (statements.length > 0) {
      await ensureMayGrant(tx, call, { statements });
      await ensureMayEmpowerOthers(tx, call, targetId);
    }
    const detached = await detachRow(tx, {
      organization_id: organizationId,
      policy_id: policyId,
      target_id: targetId,
    });
    recordPolicyAttachment(call, detached, undefined);
    await ensureAdministratorLeft(tx, call);
  });
  return {};
};
