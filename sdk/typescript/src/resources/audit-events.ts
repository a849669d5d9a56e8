import {
  AuditOutcome,
  AuditService,
  AuditTree,
} from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { type AuditCheckpoint, toAuditCheckpoint } from "./audit-checkpoint.ts";
import {
  type AuditEvent,
  type AuditProof,
  toAuditEvent,
  toAuditProof,
  toTreeHead,
} from "./audit-event.ts";
import { present, timestampOf } from "./plain.ts";

/** All filters that are given must hold. */
export interface AuditEventFilters {
  /** Only events of this principal, `usr_…` or `svc_…`. */
  principalId?: string | undefined;
  /** Only events of this RPC, such as `IssueApiKey`. */
  action?: string | undefined;
  /** Only events about this resource, such as `key_…`. */
  resourceId?: string | undefined;
  /** Only events about what is in this account. */
  accountId?: string | undefined;
  /** Only events of calls from this address. */
  address?: string | undefined;
  /** Only the event of this request, as in `PdaasError.requestId`. */
  requestId?: string | undefined;
  outcome?: "ok" | "refused" | "reported" | undefined;
}

export interface ListAuditEventsParams extends AuditEventFilters, PageOptions {
  /** Only events at or after this time. */
  startTime?: Date | undefined;
  /** Only events before this time. */
  endTime?: Date | undefined;
}

export interface GetAuditEventParams {
  /** `evt_…` */
  auditEventId: string;
}

export interface TailAuditEventsParams extends AuditEventFilters {
  /**
   * Only events after this number: 0 for all that there are, `sequence` of the last event that was dealt
   * with to go on after it. Absent for those that are written from now on.
   */
  afterSequence?: number | undefined;
}

export interface ConsistencyProofParams {
  /** The organization's own tree when absent, or that of all organizations, which checkpoints are of. */
  tree?: "organization" | "instance" | undefined;
  /** The size that the tree had. */
  oldSize: number;
  /** The size that it has had since; that of now when absent. */
  newSize?: number | undefined;
}

/** What proves that a tree has only grown: `verifyConsistency` of `pdaas/audit` checks it. */
export interface ConsistencyProof {
  oldSize: number;
  newSize: number;
  hashes: Uint8Array[];
}

/** `client.auditEvents`. */
export class AuditEvents {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists the organization's audit events, newest first. The listing throws PdaasError. */
  list(params: ListAuditEventsParams = {}, options?: CallOptions): Listing<AuditEvent> {
    const request = {
      ...filtersOf(params),
      startTime: timestampOf(params.startTime, "startTime"),
      endTime: timestampOf(params.endTime, "endTime"),
      pageSize: params.pageSize ?? 0,
    };
    return new Listing(async (pageToken) => {
      const { listAuditEvents } = AuditService.method;
      const answer = await this.#caller.call(listAuditEvents, { ...request, pageToken }, options);
      return toPage(answer.auditEvents.map(toAuditEvent), answer.nextPageToken);
    }, params.pageToken);
  }

  /**
   * Gets an event as the service tells it, with what proves it.
   * @throws PdaasError
   */
  async get(
    { auditEventId }: GetAuditEventParams,
    options?: CallOptions,
  ): Promise<{ event: AuditEvent; proof: AuditProof }> {
    const { getAuditEvent } = AuditService.method;
    const answer = await this.#caller.call(getAuditEvent, { auditEventId }, options);
    const event = toAuditEvent(present(answer.auditEvent, "audit_event"));
    return { event, proof: toAuditProof(present(answer.proof, "proof")) };
  }

  /**
   * Gets the newest checkpoint, to be saved.
   * @throws PdaasError
   */
  async checkpoint(options?: CallOptions): Promise<AuditCheckpoint> {
    const { getCheckpoint } = AuditService.method;
    const { head, verifierKey } = await this.#caller.call(getCheckpoint, {}, options);
    return toAuditCheckpoint(toTreeHead(present(head, "head")), verifierKey);
  }

  /**
   * Gets what proves that a tree has only grown.
   * @throws PdaasError
   */
  async consistencyProof(
    { tree = "organization", oldSize, newSize = 0 }: ConsistencyProofParams,
    options?: CallOptions,
  ): Promise<ConsistencyProof> {
    const request = {
      tree: tree === "instance" ? AuditTree.INSTANCE : AuditTree.ORGANIZATION,
      oldSize: BigInt(oldSize),
      newSize: BigInt(newSize),
    };
    const { getConsistencyProof } = AuditService.method;
    const answer = await this.#caller.call(getConsistencyProof, request, options);
    const { hashes } = answer;
    return { oldSize: Number(answer.oldSize), newSize: Number(answer.newSize), hashes };
  }

  /**
   * Gives events in the order of the log, and then every new one as it is written, until the loop is left
   * or the signal is aborted. When the connection breaks, or a server stops, it goes on where it was:
   * nothing is missed, and nothing comes twice.
   * @throws PdaasError when the caller may not read the log, or not any more
   */
  async *tail(
    { afterSequence, ...filters }: TailAuditEventsParams = {},
    { signal }: Pick<CallOptions, "signal"> = {},
  ): AsyncGenerator<AuditEvent, void, undefined> {
    const request = filtersOf(filters);
    let position = afterSequence === undefined ? undefined : BigInt(afterSequence);
    const nextRequest = () =>
      position === undefined ? request : { ...request, afterSequence: position };
    const { tailAuditEvents } = AuditService.method;
    const messages = this.#caller.follow(tailAuditEvents, nextRequest, signal);
    for await (const { auditEvent, sequence } of messages) {
      position = sequence;
      if (auditEvent !== undefined) yield toAuditEvent(auditEvent);
    }
  }
}

const outcomes = {
  ok: AuditOutcome.OK,
  refused: AuditOutcome.REFUSED,
  reported: AuditOutcome.REPORTED,
} as const;

function filtersOf({ outcome, ...params }: AuditEventFilters) {
  return {
    outcome: outcome === undefined ? AuditOutcome.UNSPECIFIED : outcomes[outcome],
    principalId: params.principalId ?? "",
    action: params.action ?? "",
    resourceId: params.resourceId ?? "",
    accountId: params.accountId ?? "",
    address: params.address ?? "",
    requestId: params.requestId ?? "",
  };
}
