import { setImmediate } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ChangedCallSchema,
  PolicyService,
  TestPolicyChangeRequest,
} from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { type Authentication, decide, type Question } from "../../iam/authorize.ts";
import { isWithin } from "../../iam/permissions.ts";
import { PolicySlice } from "../../iam/policy-slice.ts";
import { ensureValidPolicy } from "../../iam/policy-text.ts";
import type { Principal } from "../../iam/principal.ts";
import { judgedMethods } from "../../iam/schema.ts";
import {
  type ParsedStatement,
  parseStatements,
  type Statement,
  statementsIn,
} from "../../iam/statement.ts";
import { type AuditEventRow, listRecentCalls } from "../../store/audit-events.ts";
import { checkOf } from "../access/explain-access.ts";
import { findSubject } from "../access/subject.ts";
import type { App } from "../app.ts";
import type { Call } from "../call.ts";
import { lookUpIn } from "../entities.ts";
import type { Handler } from "../handler.ts";
import { findStatements } from "./find-policy.ts";
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
  /** As if it were attached to a target. */
  statementsFor(targetId: string): Statement[];
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
  const known = policyId === "" ? [] : await findStatements(app.db, organizationId, policyId);
  let wanted: readonly ParsedStatement[] = known;
  if (text !== "" || policyId === "") {
    const { whole } = await findSchema(app.db, organizationId);
    ensureValidPolicy(text, whole, "text");
    wanted = parseStatements(text);
  }
  // One that is not there yet has no identifier, and must not be taken for permissions given directly.
  const origin = { policyId: policyId || "pol_new", policyName: known[0]?.policyName ?? "" };
  const statementsFor = (targetId: string) => statementsIn(wanted, { ...origin, targetId });
  return { policyId: origin.policyId, statementsFor, attachTo, detachFrom };
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
    const statements = changed(this.#proposal, before);
    return { before, after: { ...before, policies: new PolicySlice(statements) } };
  }
}

/** The statements that would apply to a principal. */
function changed(
  { policyId, statementsFor, attachTo, detachFrom }: Proposal,
  { id, organizationId, accountId, groups, policies: { statements } }: Principal,
): Statement[] {
  const others = statements.filter((statement) => statement.policyId !== policyId);
  const attached = statements.filter((statement) => statement.policyId === policyId);
  const own = [id, organizationId, accountId, ...groups].filter((name) => name !== "");
  const targets = new Set([
    ...attached.map(({ targetId }) => targetId).filter((name) => !detachFrom.includes(name)),
    ...attachTo.filter((target) => own.includes(target)),
  ]);
  return [...others, ...[...targets].flatMap(statementsFor)];
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
