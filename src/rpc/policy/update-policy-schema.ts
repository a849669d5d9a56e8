import { setImmediate } from "node:timers/promises";
import type { SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { type FieldViolation, invalidFields } from "../../errors.ts";
import { readApplicationSchema } from "../../iam/application-schema.ts";
import { escalation, isAdministrator } from "../../iam/boundary.ts";
import { faultsOf } from "../../iam/policy-text.ts";
import type { Transaction } from "../../store/database.ts";
import { findApplicationSchema, listPolicies, setApplicationSchema } from "../../store/policies.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { ensureEtag } from "../etag.ts";
import type { Handler } from "../handler.ts";
import { recordPolicySchema } from "../record.ts";
import { toPolicySchema } from "./policy-schema.ts";

export const updatePolicySchema: Handler<typeof PolicyService.method.updatePolicySchema> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { applicationText: text, etag } = request;
  call.resourceId = organizationId;
  const row = await change(app, call, async (tx) => {
    const { whole } = readApplicationSchema(text, "application_text");
    // A group of actions may get more of them, and so may all whom a policy lets do what is in it.
    if (!isAdministrator(call.principal)) throw escalation(["*"]);
    await ensureMayEmpowerOthers(tx, call);
    const before = await findApplicationSchema(tx, organizationId);
    ensureEtag(etag, before, "policy schema");
    await ensurePoliciesHold(tx, organizationId, whole);
    return recordPolicySchema(call, before, await setApplicationSchema(tx, organizationId, text));
  });
  return toPolicySchema(row);
};

const pageSize = 100;

/** @throws ServiceError FIELD_INVALID, naming the policies that would not be valid any more */
async function ensurePoliciesHold(
  tx: Transaction,
  organizationId: string,
  whole: SchemaJson<string>,
): Promise<void> {
  const violations: FieldViolation[] = [];
  for (let after = ""; ; ) {
    const page = await listPolicies(tx, organizationId, { after, limit: pageSize });
    for (const { id, text } of page) {
      // Each takes its time, in which others get their turn.
      await setImmediate();
      const [fault] = faultsOf(text, whole);
      if (fault === undefined) continue;
      const description = `makes the policy ${id} invalid: ${fault}`;
      violations.push({ field: "application_text", description });
    }
    if (page.length < pageSize) break;
    after = page.at(-1)?.id ?? "";
  }
  if (violations.length > 0) throw invalidFields(violations);
}
