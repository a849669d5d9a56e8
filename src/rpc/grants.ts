import { isDeepStrictEqual } from "node:util";
import { policySlice, readStatements } from "../auth/policy-slices.ts";
import { serviceAccountPrincipal, userPrincipal } from "../auth/principals.ts";
import { notFound } from "../errors.ts";
import { universeOf } from "../iam/actions.ts";
import { organizationSchema } from "../iam/application-schema.ts";
import { ensureCovers, type Grant, maySpeakOf, withoutGroup } from "../iam/boundary.ts";
import { directStatements } from "../iam/managed-policies.ts";
import type { PolicySlice } from "../iam/policy-slice.ts";
import type { Principal } from "../iam/principal.ts";
import {
  forbids,
  looksAtKey,
  looksAtLabels,
  type Statement,
  wholeContext,
} from "../iam/statement.ts";
import { findApiKey } from "../store/api-keys.ts";
import type { Queryable, Transaction } from "../store/database.ts";
import { findPoliciesOf, findServiceAccountMember, findUserMember } from "../store/members.ts";
import { findApplicationSchema, findPoliciesSaying } from "../store/policies.ts";
import type { Call } from "./call.ts";
import { ensureMayEmpowerOthers } from "./empower-others.ts";

/**
 * Holds that a caller hands out nothing that it does not have itself.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export async function ensureMayGrant(
  tx: Transaction,
  call: Call,
  grant: Pick<Grant, "statements"> & Partial<Grant>,
): Promise<void> {
  const { application_text: text } = await findApplicationSchema(tx, call.principal.organizationId);
  ensureCovers(
    call.principal,
    { limit: null, holderId: undefined, binding: [], ...grant },
    universeOf(organizationSchema(text).application),
  );
}

/** The same for permissions that are given directly, to what policies of `targetIds` apply to. */
export async function ensureMayGive(
  tx: Transaction,
  call: Call,
  permissions: readonly string[],
  targetIds: string[],
): Promise<void> {
  if (permissions.length === 0) return;
  const statements = directStatements(permissions);
  const binding = await statementsOfTargets(tx, call, targetIds);
  await ensureMayGrant(tx, call, { statements, binding });
}

/** What is given power by a change, of a principal: it itself, or one of its keys. */
export interface Empowered {
  memberId: string;
  /** The permission limit of the key; null where it has none. */
  limit?: readonly string[] | null;
  /** The labels of the key, which conditions may look at. */
  labels?: Record<string, string>;
}

/** The same for all that a principal may do: to give it power back, or to act as it. */
export async function ensureMayEmpower(
  tx: Transaction,
  call: Call,
  { memberId, limit = null, labels }: Empowered,
): Promise<void> {
  const { organizationId } = call.principal;
  const { policies } = await findPrincipal(tx, organizationId, memberId);
  const isAlike = await countsAlike(tx, call, policies, labels);
  await ensureMayGrant(tx, call, {
    statements: policies.statements,
    limit: limit && new Set(limit),
    // A key to which conditions apply otherwise is as good as another principal's.
    holderId: isAlike ? memberId : undefined,
    binding: policies.statements,
  });
}

/** The same for new labels of a key: what they make policies permit, and what no longer forbid. */
export async function ensureMayRelabel(
  tx: Transaction,
  call: Call,
  empowered: Empowered,
): Promise<void> {
  const { policies } = await findPrincipal(tx, call.principal.organizationId, empowered.memberId);
  await ensureMayGrant(tx, call, { statements: await givenByLabels(tx, call) });
  const reading = policies.statements.filter(readsKey);
  if (reading.length === 0) return;
  await ensureMayEmpower(tx, call, empowered);
  const limit = empowered.limit ? new Set(empowered.limit) : null;
  await ensureMayGrant(tx, call, { statements: freedBy(reading), limit });
}

/** What may be done to a key, whoever does it, by its labels alone. */
async function givenByLabels(tx: Transaction, call: Call): Promise<Statement[]> {
  const { organizationId } = call.principal;
  const reading = readStatements(await findPoliciesSaying(tx, organizationId, ['Tag":']));
  return reading.filter(looksAtLabels).map((statement) => {
    const { json } = statement;
    const conditions = json.conditions.filter(
      (clause) => !looksAtLabels({ ...statement, json: { ...json, conditions: [clause] } }),
    );
    return { ...statement, json: { ...json, effect: "permit", conditions } };
  });
}

/** Whether no policy can tell a key with these labels from the one that calls. */
async function countsAlike(
  tx: Transaction,
  { principal }: Call,
  { statements }: PolicySlice,
  labels: Record<string, string> | undefined,
): Promise<boolean> {
  if (principal.apiKeyId === "" || labels === undefined || !statements.some(readsKey)) return true;
  if (statements.some(looksAtKey)) return false;
  const own = await findApiKey(tx, principal.organizationId, principal.apiKeyId);
  return isDeepStrictEqual({ ...own?.labels }, { ...labels });
}

function readsKey({ reads }: Statement): boolean {
  return reads.context.has("apiKey") || reads.context.has(wholeContext);
}

/**
 * The same for who is in a group: whoever joins it or leaves it comes under other statements, wherever they
 * are attached, that name the group.
 * @param attached what the policies that are attached to the group itself come to permit by that
 */
export async function ensureMayRegroup(
  tx: Transaction,
  call: Call,
  { groupId, memberId = "" }: { groupId: string; memberId?: string },
  attached: readonly Statement[],
): Promise<void> {
  const { organizationId } = call.principal;
  const texts = [groupId, '"in":{"left"'];
  const naming = readStatements(await findPoliciesSaying(tx, organizationId, texts));
  const statements = naming
    .filter(({ json }) => maySpeakOf(json, groupId))
    .map((statement) => withoutGroup(statement, groupId));
  await ensureMayGrant(tx, call, { statements });
  if (statements.length + attached.length > 0) await ensureMayEmpowerOthers(tx, call, memberId);
}

/** What comes of it when a statement that forbids something is taken away. */
export function freedBy(statements: readonly Statement[]): Statement[] {
  return statements
    .filter(forbids)
    .map((statement) => ({ ...statement, json: { ...statement.json, effect: "permit" } }));
}

/** The statements of the policies that are attached to what is no principal itself. */
export async function statementsOfTargets(
  db: Queryable,
  call: Call,
  targetIds: string[],
): Promise<readonly Statement[]> {
  const policies = await findPoliciesOf(db, call.principal.organizationId, targetIds);
  return policySlice([], policies).statements;
}

/**
 * A user or a service account of an organization, as a caller.
 * @throws ServiceError NOT_FOUND
 */
export async function findPrincipal(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<Principal> {
  if (id.startsWith("usr_")) {
    const user = await findUserMember(db, organizationId, id);
    if (user !== undefined) return userPrincipal(user, "");
    throw notFound("user", id);
  }
  const account = await findServiceAccountMember(db, organizationId, id);
  if (account !== undefined) return serviceAccountPrincipal(account);
  throw notFound("service account", id);
}
