import { findManagedPolicy } from "../iam/managed-policies.ts";
import { PolicySlice } from "../iam/policy-slice.ts";
import type { PolicySource } from "../iam/statement.ts";
import type { PolicyItem } from "../store/policies.ts";
import { SharedValues } from "./shared-values.ts";

const slices = new SharedValues<PolicySlice>(({ statements }) => 1_000 * (1 + statements.length));
const lists = new SharedValues<readonly string[]>();

/**
 * All that says what a principal may do.
 * @param policies as policiesOf selects them
 */
export function policySlice(permissions: readonly string[], policies: string | null): PolicySlice {
  const sorted = permissions.toSorted();
  const key = JSON.stringify([sorted, policies]);
  return slices.get(key, () => new PolicySlice(sorted, readPolicies(policies)));
}

/** @param policies as policiesOf selects them */
export function readPolicies(policies: string | null): PolicySource[] {
  if (policies === null) return [];
  return (JSON.parse(policies) as PolicyItem[]).flatMap(([policyId, targetId, name, text]) => {
    const managed = findManagedPolicy(policyId);
    const policyName = managed?.name ?? name;
    const policyText = managed?.text ?? text;
    if (policyName === null || policyText === null) return [];
    return [{ policyId, policyName, targetId, text: policyText }];
  });
}

/** @param groups as groupsOf selects them */
export function readGroups(groups: string | null): readonly string[] {
  if (groups === null) return noGroups;
  return lists.get(groups, () => JSON.parse(groups) as string[]);
}

const noGroups: readonly string[] = [];
