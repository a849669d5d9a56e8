import { AuditOutcome } from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import type {
  FailedDelivery as FailedMessage,
  AuditSink as Message,
} from "../../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { dateOf, filled, nameOf, present } from "./plain.ts";

export type SinkOutcome = "ok" | "refused" | "reported";

/** A receiver that audit events are delivered to. */
export interface AuditSink {
  /** `snk_…`, which is also the `keyid` of its deliveries' signatures. */
  id: string;
  url: string;
  /** Whether events are delivered. */
  enabled: boolean;
  /** The outcomes that are; empty: all. */
  outcomes: SinkOutcome[];
  /** The RPCs whose events are; empty: all. */
  actions: string[];
  /** The last event that was dealt with, by its sequence number. */
  deliveredSequence: number;
  /** How often the next delivery was tried in vain. */
  attempts: number;
  /** Why the last attempt was in vain; undefined when it was not. */
  lastError: string | undefined;
  /** When it is tried again; undefined when the last attempt was not in vain. */
  nextAttemptTime: Date | undefined;
  createTime: Date;
  updateTime: Date;
}

/**
 * A sink with its secret, which no later call returns. `JSON.stringify` and Node's `console.log` show
 * `[redacted]` in its place: read `secretKey` itself to store it.
 */
export interface AuditSinkWithSecret extends AuditSink {
  /** What its deliveries are signed with, `sk_…`. */
  secretKey: string;
}

/** Events that could not be delivered. */
export interface FailedDelivery {
  /** `dlv_…` */
  id: string;
  /** `snk_…` */
  auditSinkId: string;
  /** They are those between these sequence numbers that the sink wants. */
  firstSequence: number;
  lastSequence: number;
  attempts: number;
  /** Why the last attempt was in vain. */
  lastError: string;
  failTime: Date;
  /** Whether it is about to be tried again. */
  retrying: boolean;
}

export function unwrapAuditSink(answer: { auditSink?: Message | undefined }): AuditSink {
  return toAuditSink(present(answer.auditSink, "audit_sink"));
}

export function toAuditSink(message: Message): AuditSink {
  return {
    id: message.id,
    url: message.url,
    enabled: message.enabled,
    outcomes: message.outcomes.map((outcome) => nameOf(AuditOutcome, outcome) as SinkOutcome),
    actions: [...message.actions],
    deliveredSequence: Number(message.deliveredSequence),
    attempts: message.attempts,
    lastError: filled(message.lastError),
    nextAttemptTime: dateOf(message.nextAttemptTime),
    createTime: dateOf(present(message.createTime, "create_time")),
    updateTime: dateOf(present(message.updateTime, "update_time")),
  };
}

export function toFailedDelivery(message: FailedMessage): FailedDelivery {
  return {
    id: message.id,
    auditSinkId: message.auditSinkId,
    firstSequence: Number(message.firstSequence),
    lastSequence: Number(message.lastSequence),
    attempts: message.attempts,
    lastError: message.lastError,
    failTime: dateOf(present(message.failTime, "fail_time")),
    retrying: message.retrying,
  };
}
