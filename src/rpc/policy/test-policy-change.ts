import { setImmediate } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ChangedCallSchema,
  PolicyService,
  TestPolicyChangeRequest,
} from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { readPolicies } from "../../auth/policy-slices.ts";
import { type Authentication, decide, type Question } from "../../iam/authorize.ts";
import { isWithin } from "../../iam/permissions.ts";
import { PolicySlice } from "../../iam/policy-slice.ts";
import { ensureValidPolicy } from "../../iam/policy-text.ts";
import type { Principal } from "../../iam/principal.ts";
import { judgedMethods } from "../../iam/schema.ts";
import type { PolicySource } from "../../iam/statement.ts";
import { type AuditEventRow, listRecentCalls } from "../../store/audit-events.ts";
import { findServiceAccountMember, findUserMember } from "../../store/members.ts";
import { checkOf } from "../access/explain-access.ts";
import { findSubject } from "../access/subject.ts";
import type { App } from "../app.ts";
import type { Call } from "../call.ts";
import { lookUpIn } from "../entities.ts";
import type { Handler } from "../handler.ts";
import { findPolicyText } from "./find-policy.ts";
import { findSchema } from "./policy-schema.ts";

const defaultDays = 7;
const maxCalls = 2_000;
const maxShown = 100;
/** So many calls are tried before others get their turn. */
const turn = 50;

export const testPolicyChange: Handler<typeof PolicyService.method.testPolicyChange> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const proposal = await readProposal(app, call, request);
  const since = new Date(Date.now() - (request.days || defaultDays) * 86_400_000);
  const events = await listRecentCalls(app.db, organizationId, { since, limit: maxCalls });
  const callers = new Callers(app, organizationId, proposal);
  const changes: MessageInitShape<typeof ChangedCallSchema>[] = [];
  let tested = 0;
  for (const [i, event] of events.entries()) {
    if (i % turn === turn - 1) await setImmediate();
    const answers = await answersTo(app, organizationId, callers, event);
    if (answers === undefined) continue;
    tested++;
    if (answers.before !== answers.after) changes.push(toChangedCall(event, answers));
  }
  return {
    testedCalls: tested,
    changedCalls: changes.length,
    changes: changes.slice(0, maxShown),
  };
};

/** A policy as it would be, and what it would be attached to besides, or no more. */
interface Proposal {
  policyId: string;
  policyName: string;
  text: string;
  attachTo: readonly string[];
  detachFrom: readonly string[];
}

async function readProposal(
  app: App,
  call: Call,
  request: TestPolicyChangeRequest,
): Promise<Proposal> {
  const { policyId, text, attachTo, detachFrom } = request;
  const { organizationId } = call.principal;
  const known =
    policyId === "" ? { name: "", text } : await findPolicyText(app.db, organizationId, policyId);
  const wanted = text === "" ? known.text : text;
  const { whole } = await findSchema(app.db, organizationId);
  ensureValidPolicy(wanted, whole, "text");
  // One that is not there yet has no identifier, and must not be taken for permissions given directly.
  const id = policyId || "pol_new";
  return { policyId: id, policyName: known.name, text: wanted, attachTo, detachFrom };
}

/** Who has made recorded calls, as they are, and as the change would make them. */
class Callers {
  readonly #app: App;
  readonly #organizationId: string;
  readonly #proposal: Proposal;
  readonly #known = new Map<string, Promise<{ before: Principal; after: Principal } | undefined>>();

  constructor(app: App, organizationId: string, proposal: Proposal) {
    this.#app = app;
    this.#organizationId = organizationId;
    this.#proposal = proposal;
  }

  /** @returns undefined for who is gone */
  get(principalId: string, apiKeyId: string) {
    const key = `${principalId} ${apiKeyId}`;
    let caller = this.#known.get(key);
    if (caller === undefined) {
      caller = this.#find(principalId, apiKeyId).catch(() => undefined);
      this.#known.set(key, caller);
    }
    return caller;
  }

  async #find(principalId: string, apiKeyId: string) {
    const { db } = this.#app;
    const subject = { principalId, apiKeyId };
    const { principal: before } = await findSubject(db, this.#organizationId, subject);
    const row = principalId.startsWith("usr_")
      ? await findUserMember(db, this.#organizationId, principalId)
      : await findServiceAccountMember(db, this.#organizationId, principalId);
    const policies = changed(readPolicies(row?.policies ?? null), this.#proposal, before);
    return {
      before,
      after: { ...before, policies: new PolicySlice(row?.permissions ?? [], policies) },
    };
  }
}

/** The policies that would apply to a principal. */
function changed(
  policies: PolicySource[],
  { policyId, policyName, text, attachTo, detachFrom }: Proposal,
  { id, organizationId, accountId, groups }: Principal,
): PolicySource[] {
  const kept = policies
    .filter((policy) => policy.policyId !== policyId || !detachFrom.includes(policy.targetId))
    .map((policy) => (policy.policyId === policyId ? { ...policy, text } : policy));
  const targets = [id, organizationId, accountId, ...groups].filter((name) => name !== "");
  const added = attachTo.filter((target) => targets.includes(target));
  return [...kept, ...added.map((targetId) => ({ policyId, policyName, targetId, text }))];
}

interface Answers {
  before: boolean;
  after: boolean;
}

async function answersTo(
  app: App,
  organizationId: string,
  callers: Callers,
  event: AuditEventRow,
): Promise<Answers | undefined> {
  const check = checkOf(event, organizationId);
  const method = judgedMethods.find(({ action }) => action === event.action);
  if (check?.resource === undefined || method === undefined) return undefined;
  const caller = await callers.get(event.principal_id, event.api_key_id);
  if (caller === undefined) return undefined;
  const { type, id } = check.resource;
  const authentication: Authentication = event.api_key_id === "" ? "session" : "signature";
  const { address, request_id: requestId } = event;
  const question = {
    action: event.action,
    permission: method.access.permission,
    resource: { type, id },
    circumstances: { address, authentication, requestId, time: event.time.getTime() },
  };
  const answer = (principal: Principal) => isPermitted(app, { ...question, principal });
  return { before: await answer(caller.before), after: await answer(caller.after) };
}

async function isPermitted(app: App, question: Question): Promise<boolean> {
  const { principal, permission } = question;
  if (!isWithin(principal.permissionLimit, permission)) return false;
  return (await decide(question, lookUpIn(app.db, principal.organizationId))).permitted;
}

function toChangedCall(
  event: AuditEventRow,
  { before, after }: Answers,
): MessageInitShape<typeof ChangedCallSchema> {
  return {
    requestId: event.request_id,
    time: timestampFromDate(event.time),
    principalId: event.principal_id,
    action: event.action,
    resourceId: event.resource_id,
    permittedNow: before,
    permittedThen: after,
  };
}
