import {
  CreatePolicyRequestSchema,
  type PolicyService,
} from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { alreadyExists, limitReached, notFound } from "../../errors.ts";
import { managedPolicies } from "../../iam/managed-policies.ts";
import { ensureValidPolicy } from "../../iam/policy-text.ts";
import { parseStatements, statementsIn } from "../../iam/statement.ts";
import { newId } from "../../ids.ts";
import type { Transaction } from "../../store/database.ts";
import { countPolicies, findPolicy, insertPolicy } from "../../store/policies.ts";
import { change } from "../change.ts";
import { ensureMayGrant, statementsOfTargets } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { recordPolicy } from "../record.ts";
import { toPolicy } from "../resources.ts";
import { findSchema } from "./policy-schema.ts";

const maxPolicies = 1_000;

export const createPolicy: Handler<typeof PolicyService.method.createPolicy> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { name, description, text } = request;
  const row = await change(app, call, async (tx) => {
    const { whole } = await findSchema(tx, organizationId);
    ensureValidPolicy(text, whole, "text");
    const id = newId("pol");
    const statements = parseStatements(text);
    await ensureMayGrant(tx, call, {
      statements: statementsIn(statements, { policyId: id, policyName: name, targetId: "" }),
      binding: await statementsOfTargets(tx, call, [organizationId]),
    });
    const { resourceId, repeated } = await claim(tx, call, CreatePolicyRequestSchema, request, id);
    call.resourceId = resourceId;
    if (repeated) return findPolicy(tx, organizationId, resourceId);
    await ensureRoom(tx, organizationId);
    const taken = managedPolicies.some((policy) => policy.name === name);
    const row = { id, organization_id: organizationId, name, description, text, statements };
    const created = taken ? undefined : await insertPolicy(tx, row);
    if (created === undefined) throw alreadyExists("policy", name, "Choose another name.");
    return recordPolicy(call, undefined, created);
  });
  if (row === undefined) throw notFound("policy", call.resourceId);
  return { policy: toPolicy(row) };
};

/** @throws ServiceError LIMIT_REACHED */
async function ensureRoom(tx: Transaction, organizationId: string): Promise<void> {
  if ((await countPolicies(tx, organizationId)) < maxPolicies) return;
  throw limitReached(
    `Your organization has ${maxPolicies} policies, which is the most. Delete one that is attached to nothing.`,
  );
}
