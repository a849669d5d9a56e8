import {
  AuditOutcome,
  AuditService,
  type AuditEvent as Message,
} from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import { PrincipalType } from "../../../../gen/pdaas/v1/auth_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { dateOf, type NameOf, nameOf, present, timestampOf } from "./plain.ts";

/** One thing that happened, or that was refused. */
export interface AuditEvent {
  /** `evt_…` */
  id: string;
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
  /** What the resource was to be created in or listed of; empty where there is no such thing. */
  parentId: string;
  outcome: NameOf<typeof AuditOutcome>;
  /** Why it was refused, or would have been; it can say more than the caller was told. */
  reason: string;
  /** The request's identifier, as in `PdaasError.requestId`. */
  requestId: string;
  address: string;
  userAgent: string;
}

/** All filters that are given must hold. */
export interface ListAuditEventsParams extends PageOptions {
  /** Only events at or after this time. */
  startTime?: Date | undefined;
  /** Only events before this time. */
  endTime?: Date | undefined;
  /** Only events of this principal, `usr_…` or `svc_…`. */
  principalId?: string | undefined;
  /** Only events of this RPC, such as `IssueApiKey`. */
  action?: string | undefined;
  /** Only events about this resource, such as `key_…`. */
  resourceId?: string | undefined;
  outcome?: "ok" | "refused" | "reported" | undefined;
}

/** `client.auditEvents`. */
export class AuditEvents {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists the organization's audit events, newest first. The listing throws PdaasError. */
  list(params: ListAuditEventsParams = {}, options?: CallOptions): Listing<AuditEvent> {
    const filters = filtersOf(params);
    return new Listing(async (pageToken) => {
      const { listAuditEvents } = AuditService.method;
      const answer = await this.#caller.call(listAuditEvents, { ...filters, pageToken }, options);
      return toPage(answer.auditEvents.map(toAuditEvent), answer.nextPageToken);
    }, params.pageToken);
  }
}

const outcomes = {
  ok: AuditOutcome.OK,
  refused: AuditOutcome.REFUSED,
  reported: AuditOutcome.REPORTED,
} as const;

function filtersOf({ startTime, endTime, outcome, ...params }: ListAuditEventsParams) {
  return {
    startTime: timestampOf(startTime, "startTime"),
    endTime: timestampOf(endTime, "endTime"),
    outcome: outcome === undefined ? AuditOutcome.UNSPECIFIED : outcomes[outcome],
    principalId: params.principalId ?? "",
    action: params.action ?? "",
    resourceId: params.resourceId ?? "",
    pageSize: params.pageSize ?? 0,
  };
}

function toAuditEvent(message: Message): AuditEvent {
  return {
    id: message.id,
    time: dateOf(present(message.time, "time")),
    principalType: nameOf(PrincipalType, message.principalType),
    principalId: message.principalId,
    apiKeyId: message.apiKeyId,
    sessionId: message.sessionId,
    action: message.action,
    resourceType: message.resourceType,
    resourceId: message.resourceId,
    parentId: message.parentId,
    outcome: nameOf(AuditOutcome, message.outcome),
    reason: message.reason,
    requestId: message.requestId,
    address: message.address,
    userAgent: message.userAgent,
  };
}
