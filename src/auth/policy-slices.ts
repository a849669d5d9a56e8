import { directStatements, findManagedPolicy, managedStatements } from "../iam/managed-policies.ts";
import { PolicySlice } from "../iam/policy-slice.ts";
import { type Statement, statementsIn } from "../iam/statement.ts";
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
  return slices.get(
    key,
    () => new PolicySlice([...directStatements(sorted), ...readStatements(policies)]),
  );
}

/** @param policies as policiesOf selects them */
export function readStatements(policies: string | null): Statement[] {
  if (policies === null) return [];
  return (JSON.parse(policies) as PolicyItem[]).flatMap(([policyId, targetId, name, parsed]) => {
    const managed = findManagedPolicy(policyId);
    if (managed !== undefined) {
      return managedStatements(managed, { policyId, policyName: managed.name, targetId });
    }
    if (name === null || parsed === null) return [];
    return statementsIn(parsed, { policyId, policyName: name, targetId });
  });
}

/** @param groups as groupsOf selects them */
export function readGroups(groups: string | null): readonly string[] {
  if (groups === null) return noGroups;
  return lists.get(groups, () => JSON.parse(groups) as string[]);
}

const noGroups: readonly string[] = [];
