import type {
  PolicyService,
  UpdatePolicyRequest,
} from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { alreadyExists, type FieldViolation, invalidFields } from "../../errors.ts";
import { managedPolicies } from "../../iam/managed-policies.ts";
import { ensureValidPolicy } from "../../iam/policy-text.ts";
import { type ParsedStatement, parseStatements, statementsIn } from "../../iam/statement.ts";
import type { Transaction } from "../../store/database.ts";
import {
  isPolicyNameTaken,
  type PolicyChanges,
  type PolicyRow,
  updatePolicy as updateRow,
} from "../../store/policies.ts";
import { ensureAdministratorLeft } from "../administrators.ts";
import type { Call } from "../call.ts";
import { change } from "../change.ts";
import { ensureMayEmpowerOthers } from "../empower-others.ts";
import { maskedFields } from "../field-mask.ts";
import { ensureMayGrant, freedBy, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordPolicy } from "../record.ts";
import { toPolicy } from "../resources.ts";
import { lockPolicy } from "./lock-policy.ts";
import { findSchema } from "./policy-schema.ts";

export const updatePolicy: Handler<typeof PolicyService.method.updatePolicy> = async (
  app,
  call,
  request,
) => {
  const changes = changesOf(request);
  const row = await change(app, call, async (tx) => {
    const policy = await lockPolicy(tx, call, request);
    const { name, text } = changes;
    if (name !== undefined) await ensureNameFree(tx, policy, name);
    if (text !== undefined) changes.statements = await rewritten(tx, call, policy, text);
    const updated = await updateRow(tx, policy, changes);
    if (text !== undefined) await ensureAdministratorLeft(tx, call);
    return recordPolicy(call, policy, updated);
  });
  return { policy: toPolicy(row) };
};

function changesOf(request: UpdatePolicyRequest): PolicyChanges {
  const fields = maskedFields(request.updateMask, ["name", "description", "text"]);
  const { name, description, text } = request;
  const violations: FieldViolation[] = [];
  if (fields.has("name") && name === "") {
    violations.push({ field: "name", description: "must have 1 to 100 characters" });
  }
  if (fields.has("text") && text === "") {
    violations.push({ field: "text", description: "must have a statement" });
  }
  if (violations.length > 0) throw invalidFields(violations);
  return {
    ...(fields.has("name") && { name }),
    ...(fields.has("description") && { description }),
    ...(fields.has("text") && { text }),
  };
}

async function ensureNameFree(tx: Transaction, policy: PolicyRow, name: string): Promise<void> {
  const isManaged = managedPolicies.some((managed) => managed.name === name);
  if (!isManaged && !(await isPolicyNameTaken(tx, policy, name))) return;
  throw alreadyExists("policy", name, "Choose another name.");
}

/**
 * Takes the new text apart. What it permits more, and what it forbids no more, must be the caller's to
 * give.
 */
async function rewritten(
  tx: Transaction,
  call: Call,
  policy: PolicyRow,
  text: string,
): Promise<ParsedStatement[]> {
  const { organization_id: organizationId, id: policyId, name: policyName } = policy;
  const origin = { policyId, policyName, targetId: "" };
  const { whole } = await findSchema(tx, organizationId);
  ensureValidPolicy(text, whole, "text");
  const parsed = parseStatements(text);
  const before = statementsIn(policy.statements, origin);
  const after = statementsIn(parsed, origin);
  const textsBefore = new Set(before.map((statement) => statement.text));
  const textsAfter = new Set(after.map((statement) => statement.text));
  const statements = [
    ...after.filter((statement) => !textsBefore.has(statement.text)),
    ...freedBy(before.filter((statement) => !textsAfter.has(statement.text))),
  ];
  const permits = statements.filter(({ json }) => json.effect === "permit");
  if (permits.length > 0) {
    const binding = await statementsOfTargets(tx, call, [organizationId]);
    await ensureMayGrant(tx, call, { statements: permits, binding });
    await ensureMayEmpowerOthers(tx, call);
  }
  return parsed;
}
