import { AuditOutcome } from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import { AuditSinkService } from "../../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import {
  type AuditSink,
  type AuditSinkWithSecret,
  type FailedDelivery,
  type SinkOutcome,
  toAuditSink,
  toFailedDelivery,
  unwrapAuditSink,
} from "./audit-sink.ts";
import { maskOf, present } from "./plain.ts";
import { redacting } from "./redacted.ts";

export interface AuditSinkFilters {
  /** Which outcomes to deliver; all when absent or empty. */
  outcomes?: readonly SinkOutcome[] | undefined;
  /** Events of which RPCs to deliver, such as `IssueApiKey`; of all when absent or empty. */
  actions?: readonly string[] | undefined;
}

export interface CreateAuditSinkParams extends AuditSinkFilters {
  /** Where to deliver to, such as `https://siem.example.com/audit`: without user, query and fragment. */
  url: string;
  /** Begins after this event: 0 with the first that there is. With the next one that is written when absent. */
  afterSequence?: number | undefined;
  /**
   * Names the sink: repeated by the same caller within 10 minutes, it gets the same one with its secret. A
   * UUID when absent.
   */
  requestId?: string | undefined;
}

export interface AuditSinkParams {
  /** `snk_…` */
  auditSinkId: string;
}

/** What is absent stays as it is. */
export interface UpdateAuditSinkParams extends AuditSinkParams, AuditSinkFilters {
  url?: string | undefined;
  /** Whether to deliver. What is written meanwhile is delivered later. */
  enabled?: boolean | undefined;
}

export interface ListFailedDeliveriesParams extends AuditSinkParams, PageOptions {}

export interface RetryFailedDeliveryParams {
  /** `dlv_…` */
  failedDeliveryId: string;
}

const { method } = AuditSinkService;

/**
 * `client.auditSinks`: receivers that audit events are delivered to, signed as requests to the service are.
 * Every method throws PdaasError.
 */
export class AuditSinks {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Makes a sink. Store its secret now: it is never shown again. */
  async create(params: CreateAuditSinkParams, options?: CallOptions): Promise<AuditSinkWithSecret> {
    const { url, afterSequence, requestId = crypto.randomUUID() } = params;
    const request = {
      url,
      ...filtersOf(params),
      requestId,
      ...(afterSequence !== undefined && { afterSequence: BigInt(afterSequence) }),
    };
    const answer = await this.#caller.call(method.createAuditSink, request, options);
    return redacting({ ...unwrapAuditSink(answer), secretKey: answer.secretKey }, "secretKey");
  }

  /** Gets a sink. Never its secret. */
  async get({ auditSinkId }: AuditSinkParams, options?: CallOptions): Promise<AuditSink> {
    return unwrapAuditSink(await this.#caller.call(method.getAuditSink, { auditSinkId }, options));
  }

  /** Lists the organization's sinks, oldest first. */
  list({ pageSize = 0, pageToken }: PageOptions = {}, options?: CallOptions): Listing<AuditSink> {
    return new Listing(async (pageToken) => {
      const request = { pageSize, pageToken };
      const answer = await this.#caller.call(method.listAuditSinks, request, options);
      return toPage(answer.auditSinks.map(toAuditSink), answer.nextPageToken);
    }, pageToken);
  }

  /** Changes the fields of a sink that are given. */
  async update(params: UpdateAuditSinkParams, options?: CallOptions): Promise<AuditSink> {
    const { auditSinkId, url, enabled, outcomes, actions } = params;
    const request = {
      auditSinkId,
      url: url ?? "",
      enabled: enabled ?? false,
      ...filtersOf(params),
      updateMask: maskOf({ url, enabled, outcomes, actions }),
    };
    return unwrapAuditSink(await this.#caller.call(method.updateAuditSink, request, options));
  }

  /** Gives a sink another secret. Store it now: it is never shown again. */
  async rotateSecret(
    { auditSinkId }: AuditSinkParams,
    options?: CallOptions,
  ): Promise<AuditSinkWithSecret> {
    const answer = await this.#caller.call(method.rotateAuditSinkSecret, { auditSinkId }, options);
    return redacting({ ...unwrapAuditSink(answer), secretKey: answer.secretKey }, "secretKey");
  }

  /** Deletes a sink, with its failed deliveries. */
  async delete({ auditSinkId }: AuditSinkParams, options?: CallOptions): Promise<void> {
    await this.#caller.call(method.deleteAuditSink, { auditSinkId }, options);
  }

  /** Lists what could not be delivered to a sink, oldest first. */
  listFailedDeliveries(
    { auditSinkId, pageSize = 0, pageToken }: ListFailedDeliveriesParams,
    options?: CallOptions,
  ): Listing<FailedDelivery> {
    return new Listing(async (pageToken) => {
      const request = { auditSinkId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listFailedDeliveries, request, options);
      return toPage(answer.failedDeliveries.map(toFailedDelivery), answer.nextPageToken);
    }, pageToken);
  }

  /** Has a failed delivery tried once more, soon. */
  async retryFailedDelivery(
    { failedDeliveryId }: RetryFailedDeliveryParams,
    options?: CallOptions,
  ): Promise<FailedDelivery> {
    const request = { failedDeliveryId };
    const answer = await this.#caller.call(method.retryFailedDelivery, request, options);
    return toFailedDelivery(present(answer.failedDelivery, "failed_delivery"));
  }
}

const outcomeValues = {
  ok: AuditOutcome.OK,
  refused: AuditOutcome.REFUSED,
  reported: AuditOutcome.REPORTED,
} as const;

function filtersOf({ outcomes = [], actions = [] }: AuditSinkFilters) {
  return { outcomes: outcomes.map((name) => outcomeValues[name]), actions: [...actions] };
}
