import {
  AuditExportFormat,
  AuditOutcome,
  AuditService,
  AuditTree,
} from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, toPage } from "../listing.ts";
import { type AuditCheckpoint, toAuditCheckpoint } from "./audit-checkpoint.ts";
import {
  type AuditEvent,
  type AuditProof,
  toAuditEvent,
  toAuditProof,
  toTreeHead,
} from "./audit-event.ts";
import type {
  AuditEventFilters,
  ConsistencyProofParams,
  EraseAuditPersonalDataParams,
  ExportAuditEventsParams,
  GetAuditEventParams,
  ListAuditEventsParams,
  TailAuditEventsParams,
} from "./audit-event-params.ts";
import { present, timestampOf } from "./plain.ts";

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

  /**
   * Gives the log as the bytes of a file, one chunk after the other. The file is whole when the loop ends
   * without an error.
   * @throws PdaasError
   */
  async *export(
    params: ExportAuditEventsParams = {},
    { signal }: Pick<CallOptions, "signal"> = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const request = {
      format: formats[params.format ?? "json_lines"],
      fromSequence: BigInt(params.fromSequence ?? 0),
      toSequence: BigInt(params.toSequence ?? 0),
      startTime: timestampOf(params.startTime, "startTime"),
      endTime: timestampOf(params.endTime, "endTime"),
      consistentWith: (params.consistentWith ?? []).map(BigInt),
    };
    const { exportAuditEvents } = AuditService.method;
    for await (const { chunk } of this.#caller.stream(exportAuditEvents, request, signal)) {
      yield chunk;
    }
  }

  /**
   * Erases what the log knows of a person, for good: addresses, user agents and the values of personal
   * fields. What happened stays, and every proof holds as before.
   * @returns of how many events something was erased
   * @throws PdaasError
   */
  async erasePersonalData(
    { principalId, startTime, endTime }: EraseAuditPersonalDataParams,
    options?: CallOptions,
  ): Promise<number> {
    const request = {
      principalId,
      startTime: timestampOf(startTime, "startTime"),
      endTime: timestampOf(endTime, "endTime"),
    };
    const { eraseAuditPersonalData } = AuditService.method;
    const answer = await this.#caller.call(eraseAuditPersonalData, request, {
      ...options,
      repeatable: true,
    });
    return Number(answer.erased);
  }
}

const formats = {
  json_lines: AuditExportFormat.JSON_LINES,
  ocsf: AuditExportFormat.OCSF,
  csv: AuditExportFormat.CSV,
} as const;

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
