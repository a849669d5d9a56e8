import type {
  PolicyAttachment as AttachmentMessage,
  ChangedCall as ChangedCallMessage,
  Policy as Message,
  TestPolicyChangeResponse,
} from "../../../../gen/pdaas/v1/policy_service_pb.ts";
import { dateOf, present } from "./plain.ts";

/** Statements of who may do what, in Cedar. */
export interface Policy {
  /** `pol_…` */
  id: string;
  /** Unique in the organization. */
  name: string;
  description: string;
  /** The Cedar text. */
  text: string;
  /** Whether it comes with the product, and cannot be changed. */
  managed: boolean;
  /** Changes with every change of the policy; attachments do not count. */
  etag: string;
  /** Undefined for one that comes with the product. */
  createTime: Date | undefined;
  /** Undefined for one that comes with the product. */
  updateTime: Date | undefined;
}

/** Whom a policy holds for. */
export interface PolicyAttachment {
  /** `pol_…` */
  policyId: string;
  /** What it is attached to: `usr_…`, `svc_…`, `grp_…`, `org_…`, or an account such as `acc-123`. */
  targetId: string;
  /** When it was attached. */
  createTime: Date;
}

/** What a change of policies would have done to recorded calls. */
export interface PolicyChangeTest {
  /** How many recorded calls were tried: changes and refusals, the newest 2 000 at most. */
  testedCalls: number;
  /** How many of them would be answered otherwise. */
  changedCalls: number;
  /** The newest of those, 100 at most. */
  changes: ChangedCall[];
}

/** A recorded call that a change of policies would answer otherwise. */
export interface ChangedCall {
  /** The request's identifier, as in `PdaasError.requestId`. */
  requestId: string;
  /** When the call was made. */
  time: Date;
  /** Who made it, `usr_…` or `svc_…`. */
  principalId: string;
  /** The RPC, such as `IssueApiKey`. */
  action: string;
  /** What it was about; empty when it is not known. */
  resourceId: string;
  /** Whether it is permitted by the policies as they are. */
  permittedNow: boolean;
  /** Whether it would be permitted after the change. */
  permittedThen: boolean;
}

/** The Cedar schema that policies are held to. */
export interface PolicySchema {
  /** That of the service itself, as Cedar text. */
  contractText: string;
  /** What the organization's own applications declare, as Cedar text; empty: nothing. */
  applicationText: string;
  /** Changes with every change of `applicationText`. */
  etag: string;
}

export function toPolicy(message: Message): Policy {
  return {
    id: message.id,
    name: message.name,
    description: message.description,
    text: message.text,
    managed: message.managed,
    etag: message.etag,
    createTime: dateOf(message.createTime),
    updateTime: dateOf(message.updateTime),
  };
}

export function unwrapPolicy(answer: { policy?: Message | undefined }): Policy {
  return toPolicy(present(answer.policy, "the policy"));
}

export function toAttachment(message: AttachmentMessage): PolicyAttachment {
  const { policyId, targetId, createTime } = message;
  return { policyId, targetId, createTime: dateOf(present(createTime, "create_time")) };
}

export function toChangeTest(message: TestPolicyChangeResponse): PolicyChangeTest {
  const { testedCalls, changedCalls, changes } = message;
  return { testedCalls, changedCalls, changes: changes.map(toChangedCall) };
}

function toChangedCall(message: ChangedCallMessage): ChangedCall {
  return {
    requestId: message.requestId,
    time: dateOf(present(message.time, "time")),
    principalId: message.principalId,
    action: message.action,
    resourceId: message.resourceId,
    permittedNow: message.permittedNow,
    permittedThen: message.permittedThen,
  };
}

/** The schema, of an answer that has it field by field. */
export function toPolicySchema(answer: PolicySchema): PolicySchema {
  const { contractText, applicationText, etag } = answer;
  return { contractText, applicationText, etag };
}
