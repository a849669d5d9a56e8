import {
  AuditOutcome,
  type AuditProof as AuditProofMessage,
  type AuditTreeHead,
  type AuditEvent as Message,
} from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import { PrincipalType } from "../../../../gen/pdaas/v1/auth_service_pb.ts";
import type { TreeHead } from "../audit/tree-head.ts";
import { dateOf, type NameOf, nameOf, present } from "./plain.ts";

/** One thing that happened, or that was refused. */
export interface AuditEvent {
  /** `evt_…` */
  id: string;
  /** Its number in the organization's log, from 1 without gaps. */
  sequence: number;
  time: Date;
  principalType: NameOf<typeof PrincipalType>;
  /** `usr_…` or `svc_…`; empty when it is not known. */
  principalId: string;
  /** The API key that signed the call; empty when none did. */
  apiKeyId: string;
  /** The session of the call; empty when there was none. */
  sessionId: string;
  /** The RPC, such as `IssueApiKey`. */
  action: string;
  resourceType: string;
  /** Empty when it is not known. */
  resourceId: string;
  /** What the resource was to be created in or listed of; empty where the RPC names no such thing. */
  parentId: string;
  /** The account that the resource is in; empty when it is in none, or not known. */
  accountId: string;
  outcome: NameOf<typeof AuditOutcome>;
  /** Why it was refused, or would have been; it can say more than the caller was told. */
  reason: string;
  /** The request's identifier, as in `PdaasError.requestId`. */
  requestId: string;
  /** The trace that the call is part of; empty when its caller named none. */
  traceId: string;
  /** Empty when it was erased. */
  address: string;
  /** Empty when it was erased. */
  userAgent: string;
  /** The fields that were changed. */
  changes: AuditFieldChange[];
  /** The policies that decided. */
  policyIds: string[];
  /** How many equal calls the event stands for: 1, or more where there was a flood of refusals. */
  count: number;
  /** When the last of several happened. */
  lastTime: Date | undefined;
}

/** A field that was changed. */
export interface AuditFieldChange {
  /** The field, such as `permissions`, as the contract names it. */
  field: string;
  /** In JSON; empty when there was none, or when it was erased. */
  before: string;
  /** In JSON; empty when there is none, or when it was erased. */
  after: string;
}

/** What proves that an event is in the log: `verifyAuditEvent` checks it. */
export interface AuditProof {
  /** The event as it was recorded, a serialised AuditEntry: the leaf's bytes. */
  entry: Uint8Array;
  /** What the entry has commitments to and was not erased, by its name, such as `address`. */
  personal: Map<string, { salt: Uint8Array; value: string }>;
  /** The leaf's index in the organization's tree, which is 1 less than the event's number. */
  leafIndex: number;
  /** Leads from the leaf to the root of the organization's tree. */
  inclusionProof: Uint8Array[];
  head: TreeHead;
}

export function toAuditEvent(message: Message): AuditEvent {
  return {
    id: message.id,
    sequence: Number(message.sequence),
    time: dateOf(present(message.time, "time")),
    principalType: nameOf(PrincipalType, message.principalType),
    principalId: message.principalId,
    apiKeyId: message.apiKeyId,
    sessionId: message.sessionId,
    action: message.action,
    resourceType: message.resourceType,
    resourceId: message.resourceId,
    parentId: message.parentId,
    accountId: message.accountId,
    outcome: nameOf(AuditOutcome, message.outcome),
    reason: message.reason,
    requestId: message.requestId,
    traceId: message.traceId,
    address: message.address,
    userAgent: message.userAgent,
    changes: message.changes.map(({ field, before, after }) => ({ field, before, after })),
    policyIds: [...message.policyIds],
    count: Number(message.count),
    lastTime: dateOf(message.lastTime),
  };
}

export function toAuditProof(message: AuditProofMessage): AuditProof {
  return {
    entry: message.entry,
    personal: new Map(message.reveals.map(({ name, salt, value }) => [name, { salt, value }])),
    leafIndex: Number(message.leafIndex),
    inclusionProof: message.inclusion,
    head: toTreeHead(present(message.head, "head")),
  };
}

export function toTreeHead({ checkpoint, leaf, leafIndex, inclusion }: AuditTreeHead): TreeHead {
  return { note: checkpoint, leaf, leafIndex: Number(leafIndex), inclusionProof: inclusion };
}
