import {
  AccessObstacle,
  AccessService,
  type AccessDecision as DecisionMessage,
  type ExplainAccessResponse,
  type EffectivePermission as PermissionMessage,
  type DecidingStatement as StatementMessage,
} from "../../../../gen/pdaas/v1/access_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { type AccessCheck, checkOf, toCheck } from "./access-check.ts";
import { filled, type NameOf, nameOf, present } from "./plain.ts";

/** The answer to an AccessCheck. */
export interface AccessDecision {
  /** Whether it may be done. */
  permitted: boolean;
  /** The policies that decide: those that forbid, or else those that permit. */
  policyIds: string[];
  /** What else than a policy refuses it; undefined when nothing does. */
  obstacle: NameOf<typeof AccessObstacle> | undefined;
}

/** Why a call was refused, or would be. */
export interface AccessExplanation {
  /** The answer as it is now. */
  decision: AccessDecision;
  /** What was asked: for a recorded call, what the audit log has of it. */
  check: AccessCheck;
  /** Why the recorded call was refused then; undefined when it was not. */
  recordedReason: string | undefined;
  /** The permission that the call takes; undefined for an application's action. */
  permission: string | undefined;
  /** The statements that decide. */
  statements: DecidingStatement[];
  /** What would have to change for the opposite answer, in words. */
  remedies: string[];
  /** What the principal may do altogether. */
  effectivePermissions: EffectivePermission[];
}

/** A statement that applies to a call. What does not apply to permissions given directly is undefined. */
export interface DecidingStatement {
  /** `pol_…` */
  policyId: string | undefined;
  policyName: string | undefined;
  /** What the policy is attached to. */
  targetId: string | undefined;
  /** Whether the statement forbids; else it permits. */
  forbids: boolean;
  /** The statement in Cedar. */
  text: string;
  /** Where it begins in the policy's text, from 1. */
  line: number;
}

/** What a principal may do of one action. */
export interface EffectivePermission {
  /** An RPC, or an application's action such as `Shop::Action::"refund"`. */
  action: string;
  /** The permission that it takes; undefined for an application's action. */
  permission: string | undefined;
  /** Whether it depends: on the resource, or on the circumstances of the call. */
  conditional: boolean;
  /** The policies that permit or forbid it. */
  policyIds: string[];
}

export interface BatchAuthorizeParams {
  /** The questions, 100 at most. */
  checks: readonly AccessCheck[];
}

/** A recorded call, or one that may be made. */
export type ExplainAccessParams = AccessCheck | RecordedCallParams;

export interface RecordedCallParams {
  /** The identifier of its request, as in `PdaasError.requestId`. It is judged by the policies of now. */
  requestId: string;
}

export interface EffectivePermissionsParams {
  /** The user or the service account, `usr_…` or `svc_…`. */
  principalId: string;
  /** The key that narrows what the principal may do, `key_…`, if one does. */
  apiKeyId?: string | undefined;
}

const { method } = AccessService;

/** `client.access`: what somebody may do, and why. Every method throws PdaasError. */
export class Access {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Tells whether a principal may do something, with the service or with an application of yours. */
  async authorize(params: AccessCheck, options?: CallOptions): Promise<AccessDecision> {
    const request = { check: checkOf(params) };
    const { decision } = await this.#caller.call(method.authorize, request, options);
    return toDecision(present(decision, "the decision"));
  }

  /** The same for several questions, answered in their order. */
  async batchAuthorize(
    params: BatchAuthorizeParams,
    options?: CallOptions,
  ): Promise<AccessDecision[]> {
    const request = { checks: params.checks.map(checkOf) };
    const { decisions } = await this.#caller.call(method.batchAuthorize, request, options);
    return decisions.map(toDecision);
  }

  /** Tells why a call was refused, or would be: the statements that decide, and what would have to change. */
  async explain(params: ExplainAccessParams, options?: CallOptions): Promise<AccessExplanation> {
    const question =
      "requestId" in params
        ? { case: "requestId" as const, value: params.requestId }
        : { case: "check" as const, value: checkOf(params) };
    return toExplanation(await this.#caller.call(method.explainAccess, { question }, options));
  }

  /** Lists what a principal may do, by all that applies to it: every action that is not always refused. */
  async listEffectivePermissions(
    params: EffectivePermissionsParams,
    options?: CallOptions,
  ): Promise<EffectivePermission[]> {
    const { principalId, apiKeyId = "" } = params;
    const request = { principalId, apiKeyId };
    const answer = await this.#caller.call(method.listEffectivePermissions, request, options);
    return answer.effectivePermissions.map(toPermission);
  }
}

function toDecision({ permitted, policyIds, obstacle }: DecisionMessage): AccessDecision {
  const isFree = obstacle === AccessObstacle.UNSPECIFIED;
  return {
    permitted,
    policyIds: [...policyIds],
    obstacle: isFree ? undefined : nameOf(AccessObstacle, obstacle),
  };
}

function toExplanation(answer: ExplainAccessResponse): AccessExplanation {
  return {
    decision: toDecision(present(answer.decision, "the decision")),
    check: toCheck(present(answer.check, "the check")),
    recordedReason: filled(answer.recordedReason),
    permission: filled(answer.permission),
    statements: answer.statements.map(toStatement),
    remedies: [...answer.remedies],
    effectivePermissions: answer.effectivePermissions.map(toPermission),
  };
}

function toStatement(message: StatementMessage): DecidingStatement {
  const { policyId, policyName, targetId, forbids, text, line } = message;
  return {
    policyId: filled(policyId),
    policyName: filled(policyName),
    targetId: filled(targetId),
    forbids,
    text,
    line,
  };
}

function toPermission(message: PermissionMessage): EffectivePermission {
  const { action, permission, conditional, policyIds } = message;
  return { action, permission: filled(permission), conditional, policyIds: [...policyIds] };
}
