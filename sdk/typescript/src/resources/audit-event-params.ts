import type { PageOptions } from "../listing.ts";

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

export interface ExportAuditEventsParams {
  /**
   * JSON lines, which can be verified, when absent; or an event of the Open Cybersecurity Schema Framework
   * a line; or comma-separated values.
   */
  format?: "json_lines" | "ocsf" | "csv" | undefined;
  /** The first event, by its number; the first that there is when absent. */
  fromSequence?: number | undefined;
  /** The last event; the newest when absent. Not with JSON lines. */
  toSequence?: number | undefined;
  /** Only events at or after this time; JSON lines have all that follow the first of them. */
  startTime?: Date | undefined;
  /** Only events before this time. Not with JSON lines. */
  endTime?: Date | undefined;
  /** Sizes of published checkpoints: JSON lines then prove that their tree has only grown since. */
  consistentWith?: readonly number[] | undefined;
}

export interface EraseAuditPersonalDataParams {
  /** The principal, `usr_…` or `svc_…`, which may be deleted already. */
  principalId: string;
  /** Only in events at or after this time. */
  startTime?: Date | undefined;
  /** Only in events before this time. */
  endTime?: Date | undefined;
}

export interface ConsistencyProofParams {
  /** The organization's own tree when absent, or that of all organizations, which checkpoints are of. */
  tree?: "organization" | "instance" | undefined;
  /** The size that the tree had. */
  oldSize: number;
  /** The size that it has had since; that of now when absent. */
  newSize?: number | undefined;
}
